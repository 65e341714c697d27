"""Data sets to and from object stores (s3://, gs://, az://)."""

from kinema.data.stores.fetching import fetch_store
from kinema.data.stores.names import addressed, stored_names
from kinema.data.stores.sending import Uploaded, upload

__all__ = ["Uploaded", "addressed", "fetch_store", "stored_names", "upload"]

"""`kinema data …`: read any data set as a manifest, look at it, check it, split it; one file a verb."""

# Importing a verb's file puts it on the command; help lists them in this order.
from kinema.cli.data import fetch, importing, check, labels, frames, explore, split, stores  # noqa: F401, I001
from kinema.cli.data.app import app

__all__ = ["app"]

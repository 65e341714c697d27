"""Downloads of published data sets: they survive the network, are checked, and are whole or absent."""

from kinema.data.fetch.archives import Limits, unpack
from kinema.data.fetch.catalogue import CATALOGUE, DataSet, Location, RemoteFile, find
from kinema.data.fetch.failures import FAILURES, Failure, Fetched, read_failures, write_failures
from kinema.data.fetch.fetching import fetch_data_set, fetch_lists
from kinema.data.fetch.http import Downloader, DownloadError

__all__ = [
    "CATALOGUE",
    "FAILURES",
    "DataSet",
    "DownloadError",
    "Downloader",
    "Failure",
    "Fetched",
    "Limits",
    "Location",
    "RemoteFile",
    "fetch_data_set",
    "fetch_lists",
    "find",
    "read_failures",
    "unpack",
    "write_failures",
]

"""Images for names of actions: found by engines, fetched politely, decoded, without near-duplicates."""

from kinema.mining.images import bing, google, openverse  # noqa: F401  # importing an engine's file registers it
from kinema.mining.images.collecting import MinedImages, mine_images
from kinema.mining.images.collection import JOURNAL, LEFT_OUT, TABLE
from kinema.mining.images.decoding import NoPictureError, Picture, PictureRules, read_picture
from kinema.mining.images.engines import LICENCES, EngineSettings, engine_names, open_engine, register_engine
from kinema.mining.images.found import Engine, EngineError, FoundImage, Query
from kinema.mining.images.local import FolderEngine, ListEngine
from kinema.mining.images.openverse import Openverse
from kinema.mining.images.polite import PoliteClient
from kinema.mining.images.queries import queries_of, read_translations
from kinema.mining.images.replies import UnavailableError
from kinema.mining.images.result_pages import ResultPages, Site

__all__ = [
    "JOURNAL",
    "LEFT_OUT",
    "LICENCES",
    "TABLE",
    "Engine",
    "EngineError",
    "EngineSettings",
    "FolderEngine",
    "FoundImage",
    "ListEngine",
    "MinedImages",
    "NoPictureError",
    "Openverse",
    "Picture",
    "PictureRules",
    "PoliteClient",
    "Query",
    "ResultPages",
    "Site",
    "UnavailableError",
    "engine_names",
    "mine_images",
    "open_engine",
    "queries_of",
    "read_picture",
    "read_translations",
    "register_engine",
]

"""Frames of videos as image files, with tables of their labels; training straight from videos needs none of it."""

from kinema.data.frames.extract import FrameExtraction, extract_frames
from kinema.data.frames.folder import TABLES
from kinema.data.frames.images import BadImage, check_images, image_fault, remove_images
from kinema.data.frames.settings import FrameSettings, parse_names, parse_size
from kinema.data.frames.tables import Failure

__all__ = [
    "TABLES",
    "BadImage",
    "Failure",
    "FrameExtraction",
    "FrameSettings",
    "check_images",
    "extract_frames",
    "image_fault",
    "parse_names",
    "parse_size",
    "remove_images",
]

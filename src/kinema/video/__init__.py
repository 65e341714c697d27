"""Pixels in, pixels out: reading, sampling, resizing, writing and drawing on video."""

from kinema.video.drawing import draw_label, draw_prediction
from kinema.video.file_source import FileSource
from kinema.video.folder_source import FolderSource, natural_order
from kinema.video.frame import TIME_TOLERANCE, Frame, Source, TimeSampler
from kinema.video.opening import open_source
from kinema.video.scaling import resize
from kinema.video.writer import VideoWriter

__all__ = [
    "TIME_TOLERANCE",
    "FileSource",
    "FolderSource",
    "Frame",
    "Source",
    "TimeSampler",
    "VideoWriter",
    "draw_label",
    "draw_prediction",
    "natural_order",
    "open_source",
    "resize",
]

"""Recording: clips and thumbnails of events, and annotated video in segments."""

from kinema.streaming.recording.clips import ClipRecorder
from kinema.streaming.recording.names import clip_path, thumbnail_path, with_files
from kinema.streaming.recording.segments import VideoRecorder

__all__ = ["ClipRecorder", "VideoRecorder", "clip_path", "thumbnail_path", "with_files"]

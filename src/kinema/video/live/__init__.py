"""Live sources: cameras, network streams, files at their own pace, raw frames, frames that a program pushes."""

from kinema.video.live.camera import CameraSource
from kinema.video.live.clock import LiveClock
from kinema.video.live.devices import cameras
from kinema.video.live.opening import open_live
from kinema.video.live.paced import PacedSource
from kinema.video.live.push import PushSource
from kinema.video.live.raw import RawSource
from kinema.video.live.source import LivePicture, LiveSource
from kinema.video.live.stream import StreamSource

__all__ = [
    "CameraSource",
    "LiveClock",
    "LivePicture",
    "LiveSource",
    "PacedSource",
    "PushSource",
    "RawSource",
    "StreamSource",
    "cameras",
    "open_live",
]

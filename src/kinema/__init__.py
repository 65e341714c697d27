"""kinema: labelled videos in; an honest report, frame-by-frame predictions and a live action classifier out.

The whole job in a notebook:

>>> from kinema import Manifest, Recognizer, evaluate, open_source, train
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinema.data import ClipSpec, Manifest, Segment, read_data
    from kinema.errors import DataError, KinemaError, UsageError
    from kinema.evaluation.evaluate import evaluate
    from kinema.models import Prediction, Recognizer
    from kinema.training.train import train
    from kinema.video import Frame, Source, VideoWriter, open_source

__version__ = "0.1.0"

# Names are found when first used, so that `import kinema` stays fast: torch alone takes over a second.
_HOMES = {
    "Manifest": "kinema.data",
    "Segment": "kinema.data",
    "read_data": "kinema.data",
    "DataError": "kinema.errors",
    "KinemaError": "kinema.errors",
    "UsageError": "kinema.errors",
    "evaluate": "kinema.evaluation",
    "ClipSpec": "kinema.data",
    "Prediction": "kinema.models",
    "Recognizer": "kinema.models",
    "train": "kinema.training",
    "Frame": "kinema.video",
    "Source": "kinema.video",
    "VideoWriter": "kinema.video",
    "open_source": "kinema.video",
}

__all__ = [
    "ClipSpec",
    "DataError",
    "Frame",
    "KinemaError",
    "Manifest",
    "Prediction",
    "Recognizer",
    "Segment",
    "Source",
    "UsageError",
    "VideoWriter",
    "evaluate",
    "open_source",
    "read_data",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'kinema' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

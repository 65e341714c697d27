"""Training: features computed once, heads and backbones fitted, a run folder for each run."""

from kinema.training.features import Extraction, FeatureCache, Track
from kinema.training.fit import FitResult, fit
from kinema.training.run_folder import Run
from kinema.training.settings import Refit, TrainSettings
from kinema.training.train import resume, train
from kinema.training.work import Listener

__all__ = [
    "Extraction",
    "FeatureCache",
    "FitResult",
    "Listener",
    "Refit",
    "Run",
    "Track",
    "TrainSettings",
    "fit",
    "resume",
    "train",
]

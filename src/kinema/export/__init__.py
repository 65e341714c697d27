"""Recognizers for other runtimes, written only after a numeric parity check."""

from kinema.export.accuracy import Accuracy
from kinema.export.export import Exported, export_recognizer
from kinema.export.exported import ExportedModel, load_exported
from kinema.export.parity import Parity, check_parity

__all__ = [
    "Accuracy",
    "Exported",
    "ExportedModel",
    "Parity",
    "check_parity",
    "export_recognizer",
    "load_exported",
]

"""Labelled video as a table: manifests, readers of data sets, splits that do not leak, checks."""

from kinema.data.check import CheckReport, Finding, Outcome, check
from kinema.data.clipspec import ClipSpec
from kinema.data.groups import Leak, assign_groups, check_leaks
from kinema.data.manifest import Manifest, Segment
from kinema.data.readers.labels_csv import frame_labels
from kinema.data.readers.registry import read_data, readers
from kinema.data.splits import folds, split_by_group

__all__ = [
    "CheckReport",
    "ClipSpec",
    "Finding",
    "Leak",
    "Manifest",
    "Outcome",
    "Segment",
    "assign_groups",
    "check",
    "check_leaks",
    "folds",
    "frame_labels",
    "read_data",
    "readers",
    "split_by_group",
]

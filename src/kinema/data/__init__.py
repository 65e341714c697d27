"""Labelled video as a table: manifests, readers of data sets, splits that do not leak, checks."""

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest, Segment
from kinema.data.readers.labels_csv import frame_labels
from kinema.data.readers.registry import read_data

__all__ = ["Manifest", "Segment", "assign_groups", "frame_labels", "read_data"]

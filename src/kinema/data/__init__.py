"""Labelled video as a table: manifests, readers of data sets, splits that do not leak, checks."""

from kinema.data.check import CheckReport, Finding, Outcome, check
from kinema.data.clipspec import ClipSpec
from kinema.data.explore import Exploration, explore
from kinema.data.frame_check import check_frames
from kinema.data.frames import FrameSettings, check_images, extract_frames
from kinema.data.groups import Leak, assign_groups, check_leaks
from kinema.data.labels import frame_labels_of, segments_of, timestamps_of
from kinema.data.likeness import merge_groups, near_duplicates
from kinema.data.manifest import Manifest, Segment
from kinema.data.readers.labels_csv import frame_labels
from kinema.data.readers.registry import read_data, readers
from kinema.data.splits import folds, random_split, split_by_group, split_by_lists, split_by_table

__all__ = [
    "CheckReport",
    "ClipSpec",
    "Exploration",
    "Finding",
    "FrameSettings",
    "Leak",
    "Manifest",
    "Outcome",
    "Segment",
    "assign_groups",
    "check",
    "check_frames",
    "check_images",
    "check_leaks",
    "explore",
    "extract_frames",
    "folds",
    "frame_labels",
    "frame_labels_of",
    "merge_groups",
    "near_duplicates",
    "random_split",
    "read_data",
    "readers",
    "segments_of",
    "split_by_group",
    "split_by_lists",
    "split_by_table",
    "timestamps_of",
]

"""Train, valid and test: by group, by lists of videos, in folds, or at random with the mark of a leak."""

from kinema.data.splits.at_random import random_split
from kinema.data.splits.by_group import FRACTIONS, folds, parse_fractions, split_by_group, without_splits
from kinema.data.splits.by_lists import split_by_lists, split_by_table
from kinema.data.splits.making import SplitSettings, Splitting, make_splits

__all__ = [
    "FRACTIONS",
    "SplitSettings",
    "Splitting",
    "folds",
    "make_splits",
    "parse_fractions",
    "random_split",
    "split_by_group",
    "split_by_lists",
    "split_by_table",
    "without_splits",
]

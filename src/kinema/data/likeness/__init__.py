"""Clips that show the same footage, whatever their names: found by content, shown in pictures, kept in one group."""

from kinema.data.likeness.page import write_leak_page
from kinema.data.likeness.remedies import accept_leaks, merge_groups
from kinema.data.likeness.report import LikenessReport, NearDuplicate
from kinema.data.likeness.search import near_duplicates

__all__ = [
    "LikenessReport",
    "NearDuplicate",
    "accept_leaks",
    "merge_groups",
    "near_duplicates",
    "write_leak_page",
]

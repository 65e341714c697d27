"""Active learning: which clips to review next, so that few labels teach much."""

from kinema.mining.active.choice import STRATEGIES, Pick, Strategy, choose_next
from kinema.mining.active.measures import disagreement, entropy, margin, nearest, unit_rows
from kinema.mining.active.next_clips import NextClips, next_to_review
from kinema.mining.active.views import ClipViews, view_clips

__all__ = [
    "STRATEGIES",
    "ClipViews",
    "NextClips",
    "Pick",
    "Strategy",
    "choose_next",
    "disagreement",
    "entropy",
    "margin",
    "nearest",
    "next_to_review",
    "unit_rows",
    "view_clips",
]

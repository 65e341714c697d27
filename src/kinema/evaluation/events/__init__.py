"""Scores of events: against labelled segments, with rules chosen on valid, tables and a page."""

from kinema.evaluation.events.scoring import EventScores, score_events

__all__ = ["EventScores", "score_events"]

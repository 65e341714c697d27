"""Events: rows of probabilities become stretches with a beginning, an end and a peak."""

from kinema.events.detector import EventDetector, events_of
from kinema.events.event import Event
from kinema.events.logit_energy import energy
from kinema.events.rules import RULES_FILE, EventRules, LabelRule
from kinema.events.smoothing import Smoother

__all__ = [
    "RULES_FILE",
    "Event",
    "EventDetector",
    "EventRules",
    "LabelRule",
    "Smoother",
    "energy",
    "events_of",
]

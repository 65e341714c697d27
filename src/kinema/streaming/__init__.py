"""Live: sources through a recognizer to events and sinks."""

from kinema.streaming.engine import Engine
from kinema.streaming.policy import Policy
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks import Sink, StreamInfo
from kinema.streaming.statistics import SourceStats, Statistics

__all__ = ["Engine", "Notice", "Policy", "Row", "Sink", "SourceStats", "Statistics", "StreamInfo", "View"]

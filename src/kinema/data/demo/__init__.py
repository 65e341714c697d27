"""The demo data set: short synthetic videos of six KTH-like actions, drawn with exact truth."""

from kinema.data.demo.clips import FPS, Clip, Take, compose, compose_untrimmed, frame_of, segments
from kinema.data.demo.dataset import render_demo, split_of
from kinema.data.demo.performance import Performance, Scene
from kinema.data.demo.seeding import ACTIONS, SCENARIOS

__all__ = [
    "ACTIONS",
    "FPS",
    "SCENARIOS",
    "Clip",
    "Performance",
    "Scene",
    "Take",
    "compose",
    "compose_untrimmed",
    "frame_of",
    "render_demo",
    "segments",
    "split_of",
]

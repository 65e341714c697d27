"""Display: a live view in a terminal, JSON lines for programs, a window on the desktop."""

from kinema.streaming.display.json_lines import JsonLines
from kinema.streaming.display.live import LiveDisplay
from kinema.streaming.display.window import WindowSink

__all__ = ["JsonLines", "LiveDisplay", "WindowSink"]

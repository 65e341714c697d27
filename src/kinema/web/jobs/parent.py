"""A process that ends when the one that started it does, even by kill -9."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

EXIT_LOST = 75
"""The exit code of a process whose parent, or whose job, is gone."""


def die_with(parent: int) -> None:
    """End this process when the process of that id does; at once where it has ended already.

    On Linux the kernel does it, as soon as the thread that started this process ends; elsewhere a thread looks each second.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        os._exit(EXIT_LOST)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(EXIT_LOST)

    threading.Thread(target=watch, name="parent", daemon=True).start()

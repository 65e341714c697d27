"""A player for clips: a command, or the system's own where there is a desktop."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kinema.errors import UsageError

_PATIENCE = 2.0  # seconds that a player may take to end


class Player:
    """Shows one clip after another, and closes the one before. `command`, such as "mpv --loop", gets the clip's path.

    Without a command it is the system's player for such files; `opens` is False where there is none. A context manager: the
    last clip is closed behind the block. Raises `UsageError` for a program that is not installed.

    >>> with Player("mpv --loop") as player:  # doctest: +SKIP
    ...     player.show(Path("clips/film__kick__3.20-8.20.mp4"))
    """

    def __init__(self, command: str | None = None) -> None:
        self._command = _system() if command is None else shlex.split(command)
        self._running: subprocess.Popen[bytes] | None = None
        if command is not None and (not self._command or shutil.which(self._command[0]) is None):
            raise UsageError(f"--player '{command}': no such program; install it, or leave --player out")

    @property
    def opens(self) -> bool:
        """Whether it can show anything."""
        return bool(self._command) or os.name == "nt"

    def show(self, path: Path) -> bool:
        """Begin to show a clip; return whether that could be begun."""
        self.close()
        if not self._command:  # Windows, where no program but the system itself knows which one it is
            import typer

            return typer.launch(str(path)) == 0
        try:
            # Its own session: Ctrl-C in the terminal is for the review, and what the player starts ends with it.
            self._running = subprocess.Popen(
                [*self._command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End what is being shown."""
        if self._running is None:
            return
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self._running.pid, number)
                else:
                    self._running.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(_PATIENCE)
                break
        self._running = None

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _system() -> list[str]:
    if sys.platform == "darwin":
        return ["open"]
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return ["xdg-open"] if desktop and shutil.which("xdg-open") else []

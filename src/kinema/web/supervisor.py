"""The process beside the server, begun again whenever it ends."""

from __future__ import annotations

import logging
import subprocess
import threading

_REVIVED_AFTER = 1.0  # seconds
_PATIENCE = 15.0  # seconds between asking it to end and ending it
log = logging.getLogger("kinema.web")


class Supervisor:
    """Keeps a process of `command` running from `start` to `stop`."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the process to end, and wait until it has."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        process: subprocess.Popen[bytes] | None = None
        while not self._stopping.is_set():
            if process is None or process.poll() is not None:
                process = self._begun()
            self._stopping.wait(_REVIVED_AFTER)
        # In this thread: the process dies with the thread that began it (jobs.parent), before it could put its jobs back.
        if process is not None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _begun(self) -> subprocess.Popen[bytes] | None:
        try:
            # Its own group: Ctrl-C in the terminal goes to the server alone.
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:  # short of memory, of processes: it may be better in a moment
            log.error("%s cannot be started: %s", self._command[2], error)
            return None

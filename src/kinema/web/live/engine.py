"""The process of one live engine: `python -m kinema.web.live.engine`, started by the site's server.

Messages of `kinema.web.live.wire` go through its pipes. To it: `open` (what to do, first), `want` (which pictures somebody
looks at), `frame` (a JPEG of a browser's camera). From it: the lines of `kinema watch --json`, `picture` (a JPEG), `taken`
(a frame was taken, or why not), `statistics` every second, and `state`. When its stdin ends, so does it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from kinema.errors import KinemaError, first_line
from kinema.web.live import wire

if TYPE_CHECKING:
    from kinema.streaming import Engine
    from kinema.video.live import PushSource
    from kinema.web.live.pictures import PictureSink

_EVERY = 1.0  # seconds between statistics
_ENDS_WITHIN = 10.0  # seconds after its stdin has ended
_CLOSING = 6.0
_MOST_PIXELS = 1280 * 1280


class Outgoing:
    """Sends messages, from any thread, as long as somebody reads them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lock = file, threading.Lock()

    def send(self, header: dict[str, Any] | str, body: bytes = b"") -> None:
        """Send a message; when nobody reads any more, the end of stdin says so as well."""
        data = wire.pack(header, body)
        with self._lock, suppress(OSError, ValueError):
            self._file.write(data)
            self._file.flush()

    def state(self, state: str, text: str) -> None:
        """Tell where the engine is, in words."""
        self.send({"type": "state", "state": state, "text": text})

    # What the sink of JSON lines needs of a file.
    def write(self, line: str) -> None:
        """Send a line as the header of a message."""
        self.send(line.rstrip("\n"))

    def flush(self) -> None:
        """Nothing waits."""


class LiveEngine:
    """Does what the first message says, until the source or `incoming` ends."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._out = incoming, Outgoing(outgoing)
        self._stopping = threading.Event()
        self._engine: Engine | None = None
        self._pushed: PushSource | None = None
        self._pictures: PictureSink | None = None
        self._wanted: list[str] = []
        self._lock = threading.Lock()

    def run(self) -> int:
        """Return the process's exit code: 0, or that of the failure that was told."""
        first = wire.read(self._incoming)
        if first is None:
            return 0
        order = json.loads(first[0])
        self._out.state("starting", "loading the recognizer")
        if order["kind"] == "browser":
            from kinema.video.live import PushSource

            self._pushed = PushSource(order["name"], capacity=2)
        threading.Thread(target=self._listen, name="server", daemon=True).start()
        try:
            return self._work(order)
        except KinemaError as error:
            self._fail(str(error))
            return error.exit_code
        except Exception as error:
            traceback.print_exc()
            self._fail(f"the engine stopped ({type(error).__name__}: {first_line(error)}); start it again")
            return 1

    def _work(self, order: dict[str, Any]) -> int:
        from kinema.models import Recognizer
        from kinema.streaming.display import JsonLines
        from kinema.web.live.assembling import make_engine, open_ordered, rules_and_sinks
        from kinema.web.live.pictures import PictureSink

        recognizer = Recognizer.load(order["recognizer"])
        recognizer.follower  # noqa: B018  before the source, whose first pictures would wait for it
        rules, kept = rules_and_sinks(order, recognizer)
        pictures = self._pictures = PictureSink(self._out.send)
        pictures.want(self._wanted)
        self._out.state("starting", f"opening {order['name']}")
        source = self._pushed or open_ordered(order)
        sinks = [JsonLines(cast(Any, self._out)), pictures, *kept]
        engine = make_engine(order, recognizer, source, rules, sinks)
        with self._lock:
            self._engine = engine
        if self._stopping.is_set():
            engine.stop()
        try:
            engine.start()
            waiting = "waiting for the first picture" if self._pushed is not None else ""
            self._out.state("running", waiting)
            while not engine.wait(_EVERY):
                self._out.send({"type": "statistics", **engine.statistics().to_dict()})
        finally:
            engine.close(_CLOSING)
            self._tidy(order)
        self._out.send({"type": "statistics", **engine.statistics().to_dict()})
        if engine.failed:
            raise engine.failed[0]
        self._out.state("ended", f"{order['name']} has ended")
        return 0

    def _listen(self) -> None:
        """Take what the server says, until it has gone or wants no more."""
        while (message := wire.read(self._incoming)) is not None:
            header = json.loads(message[0])
            if header["type"] == "frame":
                self._frame(header, message[1])
            elif header["type"] == "want":
                self._wanted = list(header["variants"])
                if self._pictures is not None:
                    self._pictures.want(self._wanted)
        self._stopping.set()
        with self._lock:
            engine = self._engine
        if engine is None:
            os._exit(0)  # loading or opening still: nothing to bring to an end
        engine.stop()
        watch = threading.Timer(_ENDS_WITHIN, os._exit, [1])
        watch.daemon = True
        watch.start()

    def _frame(self, header: dict[str, Any], jpeg: bytes) -> None:
        """Take a picture of a browser's camera, and say so: a browser sends no more than are taken."""
        from kinema.video.live.push import stated_size

        refused = None
        size = stated_size(jpeg)
        if self._pushed is None or size is None or size[0] * size[1] > _MOST_PIXELS:
            refused = "no JPEG of at most 1.6 megapixels"
        else:
            try:
                self._pushed.push(jpeg, header["time"])
            except KinemaError as error:
                refused = str(error)
        self._out.send({"type": "taken", "number": header["number"], "refused": refused})

    def _fail(self, text: str) -> None:
        """Tell why it does not go on: as words, and as a picture for those who see nothing else."""
        with suppress(Exception):
            from kinema.web.live.pictures import card

            if "annotated" in self._wanted:  # who draws himself has the words
                self._out.send({"type": "picture", "variant": "annotated", "time": 0.0}, card(text))
        self._out.state("failed", text)

    def _tidy(self, order: dict[str, Any]) -> None:
        """Remove the folder of a session in which nothing happened; each browser's has one of its own."""
        if not order["keep"] or order["kind"] != "browser":
            return
        folder = Path(order["folder"])
        if any(path.suffix in (".mp4", ".jpg", ".json") for path in folder.rglob("*")):
            return
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run on this process's pipes."""
    outgoing = os.fdopen(os.dup(1), "wb")
    # What a library prints must not come between the messages.
    os.dup2(2, 1)
    with suppress(OSError):
        # Where memory runs out, a live view is begun again sooner than the site.
        Path("/proc/self/oom_score_adj").write_text("300")
    return LiveEngine(sys.stdin.buffer, outgoing).run()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a thread that still waits for a camera must not hold the process up

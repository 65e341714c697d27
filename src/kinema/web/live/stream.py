"""One live stream: an engine's process, who looks on, and what somebody who comes later wants to know."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from kinema.web.live.orders import Order
from kinema.web.live.process import EngineProcess, Starter
from kinema.web.live.viewer import Picture, Variant, Viewer

State = Literal["starting", "running", "ended", "failed"]
_HISTORY = 60.0  # seconds
_HISTORY_ROWS = 1500
_HISTORY_CLASSES = 5  # of each row
_EVENTS, _NOTICES = 30, 4
log = logging.getLogger("kinema.web.live")


class LiveStream:
    """Runs the engine of one order and gives what it says to the viewers. All of it in the server's event loop."""

    def __init__(
        self, order: Order, start: Starter, *, on_over: Callable[[LiveStream], None] | None = None
    ) -> None:
        self.order = order
        self.viewers: set[Viewer] = set()
        self._start, self._on_over = start, on_over
        self._process: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted: list[str] = []
        self._forget()

    @property
    def over(self) -> bool:
        """Whether its engine has ended, or died."""
        return self.state in ("ended", "failed")

    @property
    def pid(self) -> int | None:
        """The engine's process."""
        return self._process.pid if self._process is not None else None

    def begin(self, after: asyncio.Task[None] | None = None) -> None:
        """Start the engine, once `after` is done: a camera opens for one process at a time."""
        self._forget()
        self._tell_all(self._state_line())
        self._task = asyncio.create_task(self._run(after))

    def restart(self) -> None:
        """Start it again, if it is over."""
        if self.over and (self._task is None or self._task.done()):
            self.begin()

    def join(self, viewer: Viewer) -> None:
        """Add a viewer, and tell it what it has missed."""
        self.viewers.add(viewer)
        for line in self.memory():
            viewer.tell(line)
        if viewer.variant is not None and viewer.variant in self._pictures:
            viewer.show(viewer.variant, self._pictures[viewer.variant])
        self.ask()

    def leave(self, viewer: Viewer) -> None:
        """Take a viewer out."""
        self.viewers.discard(viewer)
        viewer.close()
        self.ask()

    def ask(self) -> None:
        """Tell the engine which pictures somebody looks at; others are not made."""
        wanted: list[str] = sorted({viewer.variant for viewer in self.viewers if viewer.variant})
        if wanted != self._wanted and self._process is not None:
            self._wanted = wanted
            self._process.send({"type": "want", "variants": wanted})

    def push(self, number: int, time: float, jpeg: bytes) -> bool:
        """Give the engine a picture of a browser's camera; return False where it is not taken."""
        if self.over or self._process is None:
            return False
        return self._process.send({"type": "frame", "number": number, "time": time}, jpeg)

    async def end(self) -> None:
        """End the engine, however long that takes, and close the viewers."""
        if self._task is not None and not self._task.done():
            self._ending = True
            if self._process is not None:
                await self._process.end()
            await asyncio.wait([self._task])
        for viewer in list(self.viewers):
            viewer.close()

    def memory(self) -> list[str]:
        """Return what somebody who comes now is told: lines of JSON."""
        lines = [self._state_line()]
        if self._started:
            lines.append(self._started)
        if self._rows:
            rows = json.dumps(list(self._rows), separators=(",", ":"))
            lines.append('{"type":"history","rows":' + rows + "}")
        lines += [*self._events.values(), *self._notices]
        if self._statistics:
            lines.append(self._statistics)
        return lines

    def describe(self) -> dict[str, Any]:
        """Return what the API and other pages are told."""
        return {
            "session": self.order.session,
            "title": self.order.title,
            "source": self.order.source.title,
            "recognizer": self.order.recognizer.title,
            "state": self.state,
            "text": self.text,
            "viewers": len(self.viewers),
            "statistics": json.loads(self._statistics) if self._statistics else None,
        }

    def _forget(self) -> None:
        self.state: State = "starting"
        self.text = "starting the engine"
        self._ending = False
        self._wanted = []
        self._started = self._statistics = ""
        self._rows: deque[list[Any]] = deque(maxlen=_HISTORY_ROWS)
        self._events: dict[str, str] = {}
        self._notices: deque[str] = deque(maxlen=_NOTICES)
        self._pictures: dict[Variant, Picture] = {}

    async def _run(self, after: asyncio.Task[None] | None) -> None:
        code = 0
        try:
            if after is not None:
                await asyncio.wait([after])
            process = self._process = await self._start()
            if self._ending:
                await process.end()
                return
            process.send(self.order.to_engine())
            self._wanted = []
            self.ask()
            while (message := await process.read()) is not None:
                self._take(*message)
            code = await process.end()
        except OSError as error:
            self._set("failed", f"the engine's process could not be started ({error.strerror or error})")
        except Exception:
            log.exception("live stream %s", self.order.session)
            self._set("failed", "the engine's words could not be understood; the server's log says more")
            if self._process is not None:
                await self._process.end()
        finally:
            self._process = None
            if not self.over:
                what = f"ended with {code}" if code >= 0 else f"was killed by signal {-code}"
                self._set("failed", f"the engine's process {what} before its time; start it again")
            if self._on_over is not None:
                self._on_over(self)

    def _take(self, header: str, body: bytes) -> None:
        if body:
            self._picture(json.loads(header), body)
            return
        message = json.loads(header)
        kind = message["type"]
        if kind == "row":
            self._row(message)
            self._tell_all(header, needed=False)
        elif kind == "state":
            self._set(message["state"], message["text"])
        else:
            if kind == "start":
                self._started = header
            elif kind == "event":
                self._events.pop(message["id"], None)
                self._events[message["id"]] = header
                while len(self._events) > _EVENTS:
                    del self._events[next(iter(self._events))]
            elif kind == "notice":
                self._notices.append(header)
            elif kind == "statistics":
                self._statistics = header
            self._tell_all(header)

    def _picture(self, message: dict[str, Any], jpeg: bytes) -> None:
        picture = Picture(float(message["time"]), jpeg)
        variant: Variant = message["variant"]
        self._pictures[variant] = picture
        for viewer in self.viewers:
            viewer.show(variant, picture)

    def _row(self, message: dict[str, Any]) -> None:
        """Keep a row of the last minute: its time, whether it is known, and the most probable classes."""
        values = [(value or 0.0, index) for index, value in enumerate(message["smoothed"])]
        best = sorted(values, reverse=True)[:_HISTORY_CLASSES]
        time = message["time"]
        self._rows.append([time, message["known"], {index: round(value, 3) for value, index in best}])
        while self._rows[0][0] < time - _HISTORY:
            self._rows.popleft()

    def _set(self, state: State, text: str) -> None:
        if self.over and state != "starting":
            return  # what went wrong first is what went wrong
        self.state, self.text = state, text
        self._tell_all(self._state_line())

    def _state_line(self) -> str:
        return json.dumps({"type": "state", "state": self.state, "text": self.text}, ensure_ascii=False)

    def _tell_all(self, line: str, *, needed: bool = True) -> None:
        for viewer in list(self.viewers):
            viewer.tell(line, needed=needed)

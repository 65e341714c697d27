"""The hub: engines by session, shared by their viewers, begun with the first of them and ended after the last."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from kinema.errors import KinemaError
from kinema.web.live.orders import Order, forget_orders
from kinema.web.live.process import Starter, start_process
from kinema.web.live.stream import LiveStream
from kinema.web.live.viewer import Variant, Viewer

MOST = "KINEMA_LIVE_ENGINES"
"""The environment variable that says how many engines run at a time at most."""
_MOST = 4
_LINGER = 4.0  # seconds that an engine waits for somebody who comes back: a page that is loaded anew


class Full(KinemaError):  # noqa: N818 - it is a state of the site
    """As many engines run as the site allows."""


class Hub:
    """All live streams of a server. Its methods are called in the server's event loop, except `describe` and `withdraw`."""

    def __init__(
        self, start: Starter = start_process, *, most: int | None = None, linger: float = _LINGER
    ) -> None:
        self._start = start
        self.most = most if most is not None else _most_of_environment()
        self._linger = linger
        self._streams: dict[str, LiveStream] = {}
        self._leaving: dict[str, asyncio.TimerHandle] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def join(self, order: Order, variant: Variant | None, *, texts: bool = True) -> Viewer:
        """Add a viewer of an order, and start its engine if it is the first. Raises `Full`."""
        self._loop = asyncio.get_running_loop()
        stream = self._streams.get(order.session)
        if stream is None:
            self._make_room()
            stream = LiveStream(order, self._start, on_over=self._over)
            self._streams[order.session] = stream
            stream.begin(self._ending.get(order.session))
        if (timer := self._leaving.pop(order.session, None)) is not None:
            timer.cancel()
        viewer = Viewer(variant, texts=texts)
        stream.join(viewer)
        return viewer

    def leave(self, order: Order, viewer: Viewer) -> None:
        """Take a viewer out; an engine at which nobody looks ends some seconds later."""
        stream = self._streams.get(order.session)
        if stream is None or viewer not in stream.viewers:
            viewer.close()
            return
        stream.leave(viewer)
        if stream.viewers:
            return
        if stream.over:
            del self._streams[order.session]
        elif order.session not in self._leaving:
            loop = asyncio.get_running_loop()
            self._leaving[order.session] = loop.call_later(self._linger, self._end, order.session)

    def stream(self, session: str) -> LiveStream | None:
        """Return a stream that runs, or was just over."""
        return self._streams.get(session)

    def check(self, session: str) -> None:
        """Raise `Full` where a viewer of that session could not join now."""
        if session not in self._streams and not self._has_room():
            raise self._full()

    def describe(self) -> list[dict[str, Any]]:
        """Return what runs; callable from any thread."""
        return [stream.describe() for stream in list(self._streams.values())]

    def withdraw(self, slug: str) -> None:
        """End the streams of a source that is no longer what it was; callable from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._withdraw, slug)

    async def close(self) -> None:
        """End all engines."""
        for session in list(self._streams):
            self._end(session)
        if self._ending:
            await asyncio.wait(list(self._ending.values()))

    def _withdraw(self, slug: str) -> None:
        forget_orders(slug)
        for session, stream in list(self._streams.items()):
            if stream.order.source.slug == slug:
                for viewer in list(stream.viewers):
                    viewer.close()  # at once: the engine may still have a clip to write
                self._end(session)

    def _over(self, stream: LiveStream) -> None:
        session = stream.order.session
        if not stream.viewers and self._streams.get(session) is stream:
            del self._streams[session]
            if (timer := self._leaving.pop(session, None)) is not None:
                timer.cancel()

    def _end(self, session: str) -> None:
        if (timer := self._leaving.pop(session, None)) is not None:
            timer.cancel()
        stream = self._streams.pop(session, None)
        if stream is not None:
            task = self._ending[session] = asyncio.create_task(stream.end())
            task.add_done_callback(lambda done: self._ended(session, done))

    def _ended(self, session: str, task: asyncio.Task[None]) -> None:
        if self._ending.get(session) is task:
            del self._ending[session]

    def _running(self) -> int:
        return sum(not stream.over for stream in self._streams.values())

    def _has_room(self) -> bool:
        return self._running() - len(self._leaving) < self.most

    def _make_room(self) -> None:
        """End an engine at which nobody looks any more, where all places are taken. Raises `Full` where there is none."""
        if not self._has_room():
            raise self._full()
        if self._running() >= self.most:
            session = next(iter(self._leaving))
            self._leaving[session].cancel()
            self._end(session)

    def _full(self) -> Full:
        count = f"{self.most} live view{'s run' if self.most != 1 else ' runs'}"
        return Full(
            f"{count} already, as many as this site allows ({MOST}); close one of them, and start this one again."
        )


def _most_of_environment() -> int:
    try:
        return max(1, int(os.environ.get(MOST, "")))
    except ValueError:
        return _MOST


_hub: Hub | None = None


def withdraw(slug: str) -> None:
    """End the streams of a source that is no longer what it was, if this process has any."""
    if _hub is not None:
        _hub.withdraw(slug)


def hub() -> Hub:
    """Return the hub of this server."""
    global _hub
    if _hub is None:
        _hub = Hub()
    return _hub

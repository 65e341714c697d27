"""DeliverySink: a sink that hands events to others through an outbox, so that none is lost and the picture never waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from kinema.errors import KinemaError, UsageError, closest
from kinema.events import Event
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.streaming.sinks.courier import Courier, Later
from kinema.streaming.sinks.delivery import Delivery
from kinema.streaming.sinks.outbox import OUTBOX_FILE, Outbox
from kinema.streaming.sinks.wording import shown_source

When = Literal["end", "begin", "both"]
_PICTURE_WAIT = 3.0  # seconds after an event in which the recorder may still be writing its thumbnail
_LARGEST_PICTURE = 2_000_000


class DeliverySink(Sink):
    """Keeps events in `FOLDER/outbox.sqlite` and delivers them with `deliver`, from a second thread, until they arrive.

    `name` is the channel of the outbox too: what waits there at a restart is delivered by the sink of the same name.
    `when` an event is delivered: when it has ended, when it begins, or both. `labels`: those that are delivered (empty:
    all). Events that a cooldown has silenced (`alert` false) are left out unless `silenced`. `folder` of the outbox: the
    engine's folder of results where None; without one nothing survives a restart.
    """

    def __init__(
        self,
        name: str,
        *,
        when: When = "end",
        labels: Sequence[str] = (),
        silenced: bool = False,
        folder: Path | None = None,
        expire_days: float = 7.0,
    ) -> None:
        if when not in get_args(When):
            raise UsageError(f"{name}: when = '{when}': {closest(str(when), get_args(When))}")
        if expire_days <= 0:
            raise UsageError(f"{name}: expire_days = {expire_days:g}: give days, more than 0")
        self.name = name
        self._when = when
        self._labels = (labels,) if isinstance(labels, str) else tuple(labels)
        self._silenced = silenced
        self._folder = folder
        self._expire_days = expire_days
        self._events_folder: Path | None = None
        self._outbox: Outbox | None = None
        self._courier: Courier | None = None

    def open(self, info: StreamInfo) -> None:
        """Open the outbox and begin to deliver. Raises `UsageError` for a label that makes no events."""
        known = info.rules.alerting(info.classes)
        for label in self._labels:
            if label not in info.classes:
                raise UsageError(
                    f"{self.name}: label '{label}': the recognizer does not know it; {closest(label, info.classes)}"
                )
            if label not in known:
                raise UsageError(
                    f"{self.name}: label '{label}' makes no events by these rules; {closest(label, known)}"
                )
        self._events_folder = info.folder
        folder = self._folder or info.folder
        self._outbox = Outbox(folder, expire_days=self._expire_days)
        self._courier = Courier(self._outbox, self.name, self, self.tell)
        self._courier.start()

    def event(self, event: Event) -> None:
        """Keep the event, if it is to be delivered; returns once it is on disk."""
        if self._outbox is None or self._courier is None or not self._wants(event):
            return
        self._outbox.add(self.name, self.payload(event))
        self._courier.wake()

    def close(self, timeout: float = 5.0) -> None:
        """Try what waits once more, within `timeout` seconds; the rest stays in the outbox for the next start."""
        if self._courier is None or self._outbox is None:
            return
        left = self._courier.close(timeout)
        if left:
            many = f"{left} alert{'s' * (left != 1)}"
            if self._outbox.path is None or self._outbox.trouble is not None:
                self.tell(
                    f"{self.name}: {many} lost: not delivered in time, and no outbox on disk keeps them"
                )
            else:
                self.tell(
                    f"{self.name}: {many} wait{'s' * (left == 1)} in {self._outbox.path} for the next start"
                )
        if self._courier.stopped:
            self._outbox.close()
            self._outbox = self._courier = None

    def payload(self, event: Event) -> dict[str, Any]:
        """Return what the outbox keeps of an event; passwords of a source's address are left out."""
        picture = None
        if event.thumbnail and self._events_folder is not None:
            picture = str((self._events_folder / event.thumbnail).absolute())
        event = replace(event, source=shown_source(event.source))
        return {"kind": "event", "event": event.to_dict(), "thumbnail": picture}

    def greet(self) -> None:
        """Try the receiver out when the sink starts."""

    def choose(self, outbox: Outbox, closing: bool) -> list[Delivery]:
        """Return what shall be delivered now."""
        return outbox.due(self.name)

    def deliver(self, item: Delivery) -> None:
        """Bring one delivery; raises `Refused` or `Later`."""
        raise NotImplementedError

    def rest(self) -> None:
        """Hang up."""

    def picture(self, path: str | None, created: float) -> bytes | None:
        """Return a thumbnail; it may appear some moments after its event. None when there is none or it is too large."""
        if path is None:
            return None
        while True:
            try:
                data = Path(path).read_bytes()
                return data if len(data) <= _LARGEST_PICTURE else None
            except FileNotFoundError:
                closing = self._courier is not None and self._courier.closing
                if (closing and closing.is_set()) or not 0 <= time.time() - created < _PICTURE_WAIT:
                    return None
                time.sleep(0.05)
            except OSError:
                return None

    def _wants(self, event: Event) -> bool:
        if not event.alert and not self._silenced:
            return False
        if self._labels and event.label not in self._labels:
            return False
        return self._when == "both" or event.ended == (self._when == "end")


def unclaimed(folder: Path | None, sinks: Iterable[Sink]) -> list[str]:
    """Return a line for each channel of a folder's outbox with deliveries that none of these sinks will take.

    They stay from a start with other receivers, and are given up when they expire.
    """
    if folder is None or not (folder / OUTBOX_FILE).is_file():
        return []
    names = {sink.name for sink in sinks}
    box = Outbox(folder)
    waiting = box.channels()
    box.close()
    return [
        f"{folder / OUTBOX_FILE}: {count} alert{'s' * (count != 1)} for '{name}' wait{'s' * (count == 1)}; "
        "no sink of this start is called so"
        for name, count in sorted(waiting.items())
        if name not in names
    ]


def plainly(error: KinemaError) -> KinemaError:
    """Return a failure of a trial for the user, without the word of another try."""
    return KinemaError(str(error)) if isinstance(error, Later) else error

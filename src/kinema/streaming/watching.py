"""What `kinema watch` and the site run: sources opened, results kept in a folder, statistics in a log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinema.errors import DataError, KinemaError
from kinema.events import EventRules
from kinema.streaming.engine import Engine
from kinema.streaming.followed import StreamModel
from kinema.streaming.policy import Policy
from kinema.streaming.recording import ClipRecorder, VideoRecorder, with_files
from kinema.streaming.sinks.base import Sink
from kinema.streaming.sinks.files import EventLog
from kinema.video import Source
from kinema.video.live import open_live

EVENTS_FILE = "events.jsonl"
STATISTICS_FILE = "statistics.jsonl"
_EVERY = 60.0  # seconds


def open_sources(
    uris: Sequence[str | os.PathLike[str] | int],
    *,
    on_refusal: Callable[[str], None] | None = None,
    **settings: Any,
) -> list[Source]:
    """Open sources for watching; `settings` are those of `open_live`.

    Of several, those that cannot be opened are told to `on_refusal`, a line each, and left out. Raises the first one's
    `KinemaError` when none can be opened.
    """
    found: list[Source] = []
    refusals: list[KinemaError] = []
    for uri in uris:
        try:
            found.append(open_live(uri, **settings))
        except DataError as error:
            refusals.append(error)
        except BaseException:
            for source in found:
                source.close()
            raise
    if not found and refusals:
        raise refusals[0]
    for refusal in refusals:
        if on_refusal is not None:
            on_refusal(str(refusal))
    return found


def watch_engine(
    recognizer: StreamModel,
    sources: Sequence[Source],
    folder: str | os.PathLike[str],
    *,
    policy: Policy | None = None,
    rules: EventRules | None = None,
    sinks: Sequence[Sink] = (),
    clips: bool = True,
    video: bool = False,
    batch_size: int = 16,
) -> Engine:
    """Return an engine that keeps its events in `folder/events.jsonl`, with clips and thumbnails below it.

    `rules` None: those stored with the recognizer, else the defaults. `clips`: a clip and a thumbnail of each event.
    `video`: the whole stream, annotated, in segments. `sinks`: others beside these.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rules = rules or EventRules.of(getattr(recognizer, "folder", None))
    kept: list[Sink] = [EventLog(EVENTS_FILE)]
    if clips:
        kept.append(ClipRecorder())
    if video:
        kept.append(VideoRecorder())
    return Engine(
        recognizer,
        sources,
        policy=policy,
        rules=rules,
        sinks=[*kept, *sinks],
        folder=folder,
        name_files=with_files if clips else None,
        batch_size=batch_size,
    )


def run_logged(
    engine: Engine, folder: str | os.PathLike[str], *, seconds: float | None = None, every: float = _EVERY
) -> None:
    """Start an engine and wait until it has ended, or for `seconds`; the statistics are appended to
    `folder/statistics.jsonl` every minute and at the end.

    Ctrl-C ends it as the end of the sources does. Raises what stopped the engine itself.
    """
    path = Path(folder) / STATISTICS_FILE
    until = None if seconds is None else time.monotonic() + seconds
    try:
        engine.start()
        told = time.monotonic()
        while not engine.wait(min(0.5, every)):
            now = time.monotonic()
            if until is not None and now >= until:
                break
            if now - told >= every:
                told = now
                _log(path, engine)
    except KeyboardInterrupt:
        pass
    finally:
        engine.close()
        _log(path, engine)


def _log(path: Path, engine: Engine) -> None:
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **engine.statistics().to_dict()}
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError:
        pass  # a full disk: the recorder has told it already, and the log is no reason to stop

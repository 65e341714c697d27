"""An engine as the site wants it: its source, its rules, and where its events go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.events import EventRules
from kinema.streaming import Engine, Policy, Sink
from kinema.streaming.recording import ClipRecorder, with_files
from kinema.streaming.sinks import EventLog
from kinema.streaming.watching import EVENTS_FILE
from kinema.video.live import open_live

if TYPE_CHECKING:
    from kinema.models import Recognizer
    from kinema.video import Source

_RESERVE_MB = 500.0
_POLICY = Policy("auto", 0.3)


def open_ordered(order: dict[str, Any]) -> Source:
    """Open the source of an order, a file at its own pace. Raises `DataError` with the reason."""
    address: str = order["address"]
    if order["kind"] == "video":
        source = open_live(Path(address), realtime=True)
    else:
        camera = order["kind"] == "camera" and address.isdigit()
        source = open_live(int(address) if camera else address, realtime=True)
    source.name = order["name"]  # what it was opened by may be nobody's business
    return source


def rules_and_sinks(order: dict[str, Any], recognizer: Recognizer) -> tuple[EventRules, list[Sink]]:
    """Return the rules of an order's events, and where they go: kept with clips, and alerted of, where the order says so.

    It takes a moment, so it comes before the source is opened, whose first pictures would wait for it.
    """
    rules = EventRules.of(recognizer.folder)
    if order["site"]:
        import django

        django.setup()
        rules = _site_rules(order["key"]) or rules
    if not order["keep"]:
        return rules, []
    folder = Path(order["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    # What the review still needs is not deleted by age: a disk that is almost full ends the recording instead.
    kept: list[Sink] = [EventLog(EVENTS_FILE), ClipRecorder(limit_gb=None, reserve_mb=_RESERVE_MB)]
    return rules, kept + _receivers(order, folder, rules.alerting(recognizer.classes))


def make_engine(
    order: dict[str, Any], recognizer: Recognizer, source: Source, rules: EventRules, sinks: list[Sink]
) -> Engine:
    """Return an engine that is not started."""
    keep = order["keep"]
    return Engine(
        recognizer,
        [source],
        policy=_POLICY,
        rules=rules,
        sinks=sinks,
        folder=Path(order["folder"]) if keep else None,
        name_files=with_files if keep else None,
    )


def _site_rules(key: str) -> EventRules | None:
    """Return the rules that the site has for a recognizer; None for one that it does not know."""
    from django.http import Http404

    from kinema.web.base.alerts import event_rules
    from kinema.web.recognizers import recognizer

    try:
        return event_rules(recognizer(key))
    except Http404:
        return None


def _receivers(order: dict[str, Any], folder: Path, labels: list[str]) -> list[Sink]:
    """Return the sinks of the site's alerts and of its review."""
    from django.apps import apps

    from kinema.web.base.alerts import sinks

    found = list(sinks(labels, order["key"]))
    if apps.is_installed("kinema.web.review"):
        from kinema.web.live.keeping import ReviewSink
        from kinema.web.review.clips import add_clip

        found.append(ReviewSink(folder, Path(order["site"]), order["title"], add_clip))
    return found

"""What a mail says: one event with S2's fields and its thumbnail, or a digest of many."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any

from kinema.events import Event
from kinema.streaming.sinks.wording import local_time, short_source

_CLASSES_SHOWN = 50
_STYLE = {
    "body": "font:15px/1.5 system-ui,sans-serif;max-width:44rem;margin:0;padding:8px",
    "table": "border-collapse:collapse;margin:12px 0",
    "name": "padding:2px 16px 2px 0;opacity:.7;vertical-align:top;text-align:left;font-weight:normal",
    "value": "padding:2px 16px 2px 0;vertical-align:top;font-variant-numeric:tabular-nums",
    "hr": "border:0;border-top:1px solid #8884;margin:12px 0",
    "img": "max-width:100%;border-radius:6px;display:block;margin:12px 0",
}


def address(text: str) -> str:
    """Return a mail address. Raises `ValueError` for what is none.

    >>> address("Guard <guard@example.org>")
    'guard@example.org'
    """
    found = parseaddr(text)[1]
    name, at, domain = found.rpartition("@")
    if not at or not name or not domain or any(character in text for character in "\r\n,;"):
        raise ValueError(f"'{text}' is no mail address")
    Address(addr_spec=found)
    return found


def alert(event: Event, picture: bytes | None, envelope: Envelope) -> EmailMessage:
    """Return the mail about one event; `picture`: JPEG or PNG of any size."""
    seconds = f"{event.seconds:.1f} s" if event.ended else "goes on"
    subject = f"kinema: {event.label} at {short_source(event.source) or 'a source'} ({seconds})"
    facts, means = facts_of(event), means_of(event)
    text = "\n".join([*_columns(facts), "", "mean probability of each class", *_columns(means), ""])
    page = (
        f"<h2 style='margin:0'>{_safe(event.label)}</h2>{{picture 0}}{_table(facts)}"
        f"<p style='margin:0'>mean probability of each class</p>{_table(means)}"
    )
    return envelope.message(subject, text, page, [picture])


def digest(events: Sequence[Event], pictures: Sequence[bytes | None], envelope: Envelope) -> EmailMessage:
    """Return one mail about many events, each with all of its fields; thumbnails of those that have one."""
    if len(events) == 1:
        return alert(events[0], pictures[0], envelope)
    counts = Counter(event.label for event in events).most_common()
    subject = f"kinema: {len(events)} events ({', '.join(f'{label} {count}' for label, count in counts[:3])})"
    lines: list[str] = []
    page = f"<h2 style='margin:0'>{len(events)} events</h2>"
    for number, event in enumerate(events):
        facts = [*facts_of(event), ("means", ", ".join(f"{name} {value}" for name, value in means_of(event)))]
        lines += [*_columns(facts), ""]
        page += f"<hr style='{_STYLE['hr']}'>{{picture {number}}}{_table(facts)}"
    return envelope.message(subject, "\n".join(lines), page, pictures)


def facts_of(event: Event) -> list[tuple[str, str]]:
    """Return what is known of an event: label, source, start, seconds, frames, probabilities and their difference."""
    began = local_time(event.began_at)
    since = f"{event.start:.3f} s from the beginning"
    facts = [
        ("label", event.label),
        ("source", event.source),
        ("start", f"{began} ({since})" if began else since),
        ("seconds", f"{event.seconds:.3f}" + ("" if event.ended else ", goes on")),
        ("frames", str(event.rows)),
        ("probability", f"mean {event.mean:.3f}, peak {event.peak:.3f} at {event.peak_time:.3f} s"),
    ]
    ranked = sorted(event.means.items(), key=lambda entry: -entry[1])
    if len(ranked) > 1:
        (first, most), (second, next_most) = ranked[:2]
        facts.append(("difference", f"{most - next_most:.3f} ({first} over {second})"))
    return facts


def means_of(event: Event) -> list[tuple[str, str]]:
    """Return the mean probability of each class, highest first; of very many classes the first fifty."""
    ranked = sorted(event.means.items(), key=lambda entry: -entry[1])
    shown = [(name, f"{value:.3f}") for name, value in ranked[:_CLASSES_SHOWN]]
    rest = len(ranked) - len(shown)
    return [*shown, (f"{rest} more", f"below {ranked[_CLASSES_SHOWN - 1][1]:.3f}")] if rest else shown


class Envelope:
    """From, to, date and the Message-ID, which stays the same however often a mail is tried."""

    def __init__(self, sender: str, to: Sequence[str], key: str, created: float) -> None:
        self._sender = sender
        self._to = to
        self._key = key
        self._created = created

    def message(self, subject: str, text: str, page: str, pictures: Sequence[bytes | None]) -> EmailMessage:
        """Return a mail in text and HTML; `{picture N}` in the page stands for the Nth, which travels with it."""
        domain = self._sender.rpartition("@")[2].strip("<> ")
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = ", ".join(self._to)
        subject = " ".join(subject.split())
        message["Subject"] = subject if len(subject) <= 78 else f"{subject[:77]}…"
        message["Date"] = format_datetime(datetime.fromtimestamp(self._created, UTC))
        message["Message-ID"] = f"<{self._key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(text)
        found: list[tuple[str, bytes]] = []
        for number, picture in enumerate(pictures):
            image = ""
            if picture:
                found.append((make_msgid(domain="kinema"), picture))
                source = f"cid:{found[-1][0][1:-1]}"
                image = f"<img src='{source}' alt='thumbnail' style='{_STYLE['img']}'>"
            page = page.replace(f"{{picture {number}}}", image)
        message.add_alternative(
            f"<!doctype html><html><body style='{_STYLE['body']}'>{page}</body></html>", subtype="html"
        )
        body: Any = message.get_payload()[1]  # type: ignore[index]
        for number, (name, picture) in enumerate(found):
            kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
            body.add_related(
                picture, "image", kind, cid=name, filename=f"thumbnail-{number}.{kind}", disposition="inline"
            )
        return message


def _columns(facts: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in facts), default=0) + 3
    return [f"{name:<{width}}{value}" for name, value in facts]


def _table(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><th style='{_STYLE['name']}'>{_safe(name)}</th><td style='{_STYLE['value']}'>{_safe(value)}</td></tr>"
        for name, value in facts
    )
    return f"<table style='{_STYLE['table']}'>{rows}</table>"


def _safe(text: str) -> str:
    return html.escape(text).replace("{", "&#123;")

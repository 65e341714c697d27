"""MailSink: alerts by mail, through any SMTP host, with a digest when events come thick."""

from __future__ import annotations

import smtplib
import time
import uuid
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming.sinks.courier import Later, Refused
from kinema.streaming.sinks.credentials import login
from kinema.streaming.sinks.delivering import DeliverySink, When, plainly
from kinema.streaming.sinks.delivery import Delivery
from kinema.streaming.sinks.mail_content import Envelope, address, alert, digest
from kinema.streaming.sinks.outbox import Outbox
from kinema.streaming.sinks.smtp import SmtpServer, hang_up

_IN_A_DIGEST = 100
_PICTURES = 12  # of a digest


class MailSink(DeliverySink):
    """Mails each event to `to`, when it has ended or begins (`when`).

    `host`, `port`, `security`, `ca_file`, `account`, `timeout`: see `SmtpServer`; user and password come from
    KINEMA_SMTP_USER and KINEMA_SMTP_PASSWORD or the keyring (service kinema-smtp), never from a file or an argument.
    `sender`: the user where it is an address, else the first of `to`.

    After `most` mails within `within` seconds the events that follow are collected into one digest, sent `digest_every`
    seconds later. `name`, `labels`, `folder`, `expire_days`: see `DeliverySink`. Raises `UsageError` for wrong settings.

    >>> MailSink("guard@example.org", "smtp.example.org")
    MailSink('mail to guard@example.org', smtp.example.org:587, starttls)
    """

    def __init__(
        self,
        to: str | Sequence[str],
        host: str,
        port: int | None = None,
        sender: str | None = None,
        security: str = "starttls",
        *,
        ca_file: Path | str | None = None,
        account: str = "",
        when: When = "end",
        labels: Sequence[str] = (),
        thumbnail: bool = True,
        most: int = 5,
        within: float = 600.0,
        digest_every: float = 600.0,
        timeout: float = 30.0,
        name: str | None = None,
        folder: Path | None = None,
        expire_days: float = 7.0,
    ) -> None:
        try:
            found = [address(text) for text in ([to] if isinstance(to, str) else to)]
            self._sender = address(sender) if sender else None
        except ValueError as error:
            raise UsageError(f"mail: {error}; give to and sender as name@example.org") from error
        if not found:
            raise UsageError("mail: to is empty; give an address")
        for setting, value in (("most", most), ("within", within), ("digest_every", digest_every)):
            if value < 0:
                raise UsageError(f"mail: {setting} = {value:g}: give 0 or more")
        self._to = list(dict.fromkeys(found))
        title = f"mail to {self._to[0]}" + (f" and {len(self._to) - 1} more" if len(self._to) > 1 else "")
        super().__init__(name or title, when=when, labels=labels, folder=folder, expire_days=expire_days)
        self._server = SmtpServer.of(host, port, security, ca_file, account, timeout)
        self._thumbnail = thumbnail
        self._most = most
        self._within = within
        self._digest_every = digest_every
        self._digest_at: float | None = None
        self._sent: deque[float] = deque()
        self._connection: smtplib.SMTP | None = None

    def __repr__(self) -> str:
        return f"MailSink({self.name!r}, {self._server.address}, {self._server.security})"

    def check(self, *, send: bool = False) -> str:
        """Connect, log in and ask whether the host takes mail for `to`; with `send` mail a test. Returns one line.

        Raises `KinemaError` with one line: unknown host, refused, certificate, password, relay.
        """
        try:
            connection = self._server.connect()
            try:
                if send:
                    envelope = Envelope(self._from(), self._to, uuid.uuid4().hex, time.time())
                    text = "This is a test of kinema's alerts: nothing has happened."
                    message = envelope.message("kinema: test of alerts", text, f"<p>{text}</p>", [])
                    self._server.send(connection, message, self._from(), self._to)
                else:
                    self._ask(connection)
            finally:
                hang_up(connection)
        except KinemaError as error:
            raise KinemaError(f"{self.name}: {plainly(error)}") from error
        user = login("smtp", self._server.account)
        how = {"starttls": "STARTTLS", "tls": "TLS", "none": "unencrypted"}[self._server.security]
        done = "took a test mail" if send else "takes mail"
        return f"{self.name}: {self._server.address} {done} ({how}{f', user {user.user}' if user else ''})"

    def greet(self) -> None:
        """Connect and log in, so that a wrong setting is told at the start and not at the first alert."""
        connection = self._server.connect()
        try:
            self._ask(connection)
        finally:
            hang_up(connection)

    def choose(self, outbox: Outbox, closing: bool) -> list[Delivery]:
        """Return the mails to send now: events that come too thick are held, and become a digest when its time has come."""
        now = time.time()
        while self._sent and not 0 <= now - self._sent[0] < self._within:
            self._sent.popleft()
        due = outbox.due(self.name, 10 * _IN_A_DIGEST)
        parts = [item for item in due if item.payload["kind"] == "part"]
        fresh = [item for item in due if item.payload["kind"] == "event" and not item.attempts]
        many = fresh[max(0, self._most - len(self._sent)) :]
        if many and self._digest_at is None:
            self._digest_at = min(
                (item.next_try for item in self._held(outbox)), default=now + self._digest_every
            )
        for item in many:
            outbox.hold(item, self._digest_at or now, {**item.payload, "kind": "part"})
        if closing:
            parts = self._held(outbox)
        if parts:
            self._digest_at = None
        digests: list[Delivery] = []
        for start in range(0, len(parts), _IN_A_DIGEST):
            chosen = parts[start : start + _IN_A_DIGEST]
            events = [{key: item.payload[key] for key in ("event", "thumbnail")} for item in chosen]
            digests.append(outbox.merge(chosen, {"kind": "digest", "events": events}))
        left = {item.key for item in (*many, *parts)}
        return [item for item in due if item.key not in left] + digests

    def _held(self, outbox: Outbox) -> list[Delivery]:
        return [item for item in outbox.waiting(self.name) if item.payload["kind"] == "part"]

    def deliver(self, item: Delivery) -> None:
        """Send one mail."""
        to = [name for name in item.payload.get("to", self._to) if name in self._to]
        envelope = Envelope(self._from(), self._to, item.key, item.created)
        connection = self._connected()
        try:
            message = self._message(item, envelope)
            limit = connection.esmtp_features.get("size", "")
            if limit.isdigit() and 0 < int(limit) < len(message.as_bytes()):
                message = self._message(item, envelope, pictures=False)
            missed = self._server.send(connection, message, self._from(), to or self._to)
        except Later as error:
            self._drop()
            if error.payload is not None:
                error.payload = {**item.payload, **error.payload}
            raise
        except Refused:
            raise
        except Exception:
            self._drop()
            raise
        if item.payload["kind"] == "event":
            self._sent.append(time.time())
        for name, (_, said) in missed.items():
            self.tell(f"{self.name}: {self._server.address} refuses mail for {name} ({said}); others got it")

    def rest(self) -> None:
        """End the connection."""
        if self._connection is not None:
            hang_up(self._connection)
            self._connection = None

    def _message(self, item: Delivery, envelope: Envelope, pictures: bool = True) -> Any:
        entries = item.payload["events"] if item.payload["kind"] == "digest" else [item.payload]
        events = [Event.from_dict(entry["event"]) for entry in entries]
        wanted = [entry["thumbnail"] if pictures and self._thumbnail else None for entry in entries]
        seen = sum(name is not None for name in wanted[:_PICTURES])
        found = [self.picture(name, item.created) for name in wanted[:_PICTURES]] if seen else []
        found += [None] * (len(events) - len(found))
        if item.payload["kind"] == "digest":
            return digest(events, found, envelope)
        return alert(events[0], found[0], envelope)

    def _from(self) -> str:
        if self._sender is None:
            user = login("smtp", self._server.account)
            self._sender = user.user if user is not None and "@" in user.user else self._to[0]
        return self._sender

    def _ask(self, connection: smtplib.SMTP) -> None:
        """Begin a mail and take it back; raises what the server says to sender and recipients."""
        try:
            for code, text, recipient in [
                (*connection.mail(self._from()), None),
                *((*connection.rcpt(name), name) for name in self._to),
            ]:
                if code not in (250, 251, 252):
                    raise self._server.refusal(code, text, recipient)
            connection.rset()
        except (OSError, smtplib.SMTPException) as error:
            raise Later(f"{self._server.address} hung up ({error})", everything=True) from error

    def _connected(self) -> smtplib.SMTP:
        """Return the connection of the mail before where it is still alive, else a new one."""
        if self._connection is not None:  # a server may take one mail a connection, or few
            try:
                alive = self._connection.noop()[0] == 250
            except (OSError, smtplib.SMTPException):
                alive = False
            if not alive:
                self._drop()
        if self._connection is None:
            self._connection = self._server.connect()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

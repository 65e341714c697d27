"""WebhookSink: events as signed JSON, posted to an address until it takes them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import quote, urljoin, urlsplit

from kinema.errors import KinemaError, UsageError, closest, first_line
from kinema.events import Event
from kinema.streaming.sinks.courier import Later, Refused
from kinema.streaming.sinks.credentials import secret, secret_in_address, variable
from kinema.streaming.sinks.delivering import DeliverySink, When, plainly
from kinema.streaming.sinks.delivery import Delivery
from kinema.streaming.sinks.signature import SIGNATURE, sign

if TYPE_CHECKING:
    import httpx

Thumbnail = Literal["none", "base64", "link"]
_HOPS = 3
_LONGEST_PAUSE = 86400.0
_NOW = (408, 425, 429)  # answers below 500 that mean: later
_EVERYTHING = (429, 502, 503, 504)  # the receiver as a whole, not this delivery


class WebhookSink(DeliverySink):
    """Posts `{"type": "event", "id": KEY, "event": {...}, "thumbnail": ...}` to `url`.

    `url` comes from KINEMA_WEBHOOK_URL where None (an address that holds a key belongs there). Each request carries
    `Idempotency-Key`, the same over all tries, and `X-Kinema-Signature` (see `verify`) with the secret of
    KINEMA_WEBHOOK_SECRET or the keyring (service kinema-webhook, user secret); `account` OFFICE: KINEMA_WEBHOOK_OFFICE_SECRET.
    `signed=False` leaves the signature out.

    2xx: taken. 408, 425, 429, 5xx and no answer: tried again, with Retry-After where it is given. All else is refused for
    good. Redirects (307, 308) are followed on the same host only. `thumbnail`: `base64` in the JSON, or `link` below
    `link_base`. `when`, `labels`, `silenced`, `folder`, `expire_days`: see `DeliverySink`.

    Raises `UsageError` for wrong settings, a missing secret, or where httpx is not installed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        signed: bool = True,
        account: str = "",
        when: When = "end",
        labels: Sequence[str] = (),
        silenced: bool = False,
        thumbnail: Thumbnail = "none",
        link_base: str | None = None,
        ca_file: Path | str | None = None,
        timeout: float = 10.0,
        name: str | None = None,
        folder: Path | None = None,
        expire_days: float = 7.0,
    ) -> None:
        url = url or os.environ.get(variable("webhook", "url", account))
        if not url:
            raise UsageError(f"webhook: no url; give url, or set {variable('webhook', 'url', account)}")
        self._origin = _origin(url)
        if self._origin is None:
            raise UsageError("webhook: url is no address; give it as https://example.org/kinema")
        if thumbnail not in get_args(Thumbnail):
            raise UsageError(f"webhook: thumbnail = '{thumbnail}': {closest(thumbnail, get_args(Thumbnail))}")
        if (thumbnail == "link") != (link_base is not None):
            raise UsageError("webhook: thumbnail = 'link' and link_base belong together")
        if timeout <= 0:
            raise UsageError(f"webhook: timeout = {timeout:g}: give seconds, more than 0")
        scheme, host, _ = self._origin
        mark = hashlib.sha256(url.encode()).hexdigest()[:6]  # the path may be a secret
        super().__init__(
            name or f"webhook {host} {mark}",
            when=when,
            labels=labels,
            silenced=silenced,
            folder=folder,
            expire_days=expire_days,
        )
        self._url = url
        self._shown = f"{scheme}://{host}"
        self._signed = signed
        self._account = account
        self._thumbnail = thumbnail
        self._link_base = link_base
        self._timeout = timeout
        self._client = self._connect(None if ca_file is None else Path(ca_file))
        if signed:
            self._secret()

    def __repr__(self) -> str:
        return f"WebhookSink({self.name!r}, {self._shown})"

    def check(self) -> str:
        """Post `{"type": "ping"}` and return one line of the answer. Raises `KinemaError` when it is not taken."""
        key = uuid.uuid4().hex
        try:
            self._post({"type": "ping", "id": key, "sent": _iso(time.time())}, key)
        except KinemaError as error:
            raise KinemaError(f"{self.name}: {plainly(error)}") from error
        return f"{self.name}: {self._shown} takes a ping ({'signed' if self._signed else 'not signed'})"

    def payload(self, event: Event) -> dict[str, Any]:
        """Return what the outbox keeps, with the thumbnail's name for a link."""
        return {**super().payload(event), "name": event.thumbnail}

    def deliver(self, item: Delivery) -> None:
        """Post one event."""
        picture: str | None = None
        if self._thumbnail == "base64" and (data := self.picture(item.payload["thumbnail"], item.created)):
            picture = base64.b64encode(data).decode()
        elif self._thumbnail == "link" and self._link_base and item.payload["name"]:
            picture = f"{self._link_base.rstrip('/')}/{quote(str(item.payload['name']))}"
        values = {
            "type": "event",
            "id": item.key,
            "sent": _iso(item.created),
            "event": item.payload["event"],
            "thumbnail": picture,
        }
        self._post(values, item.key)

    def rest(self) -> None:
        """Nothing: the client closes what is idle."""

    def close(self, timeout: float = 5.0) -> None:
        """See `DeliverySink.close`."""
        super().close(timeout)
        if self._courier is None:
            self._client.close()

    def _post(self, values: dict[str, Any], key: str) -> None:
        import httpx

        body = json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "kinema",
            "Idempotency-Key": key,
        }
        if self._signed:
            try:
                headers[SIGNATURE] = sign(body, self._secret())
            except KinemaError as error:  # the keyring was locked meanwhile
                raise Later(str(error), everything=True) from error
        url = self._url
        for _ in range(_HOPS):
            try:
                # The body of the answer is not read: it may never end.
                with self._client.stream("POST", url, content=body, headers=headers) as answer:
                    if answer.status_code not in (307, 308):
                        self._judge(answer)
                        return
                    url = self._redirected(url, answer)
            except httpx.HTTPError as error:
                raise Later(f"{self._shown} {self._meaning(error)}", everything=True) from error
            except (httpx.InvalidURL, ValueError) as error:
                raise Refused(f"{self._shown} cannot be asked ({type(error).__name__})") from error
        raise Refused(f"{self._shown} redirects in a circle")

    def _judge(self, answer: httpx.Response) -> None:
        code = answer.status_code
        if 200 <= code < 300:
            return
        said = f"{code} {answer.reason_phrase}".strip()
        if code in _NOW or code >= 500:
            wait = _retry_after(answer.headers.get("Retry-After"))
            raise Later(
                f"{self._shown} does not take it now ({said})", after=wait, everything=code in _EVERYTHING
            )
        mend = {
            401: "; check the secret",
            403: "; check the secret",
            404: "; check url",
            410: "; the receiver is gone for good: take it out of the settings",
        }.get(
            code, "; redirects to elsewhere are not followed: give the address itself" if code < 400 else ""
        )
        raise Refused(f"{self._shown} refuses ({said}){mend}")

    def _redirected(self, url: str, answer: httpx.Response) -> str:
        target = urljoin(url, answer.headers.get("Location", ""))
        before, after = _origin(url), _origin(target)
        safer = before is not None and after == ("https", before[1], 443) and before[2] in (80, 443)
        if after is None or (after != before and not safer):
            raise Refused(
                f"{self._shown} redirects to another host ({after[1] if after else 'none'}), which is not followed; "
                "give the address itself"
            )
        return target

    def _meaning(self, error: httpx.HTTPError) -> str:
        import httpx

        text = first_line(error)
        if isinstance(error, httpx.TimeoutException):
            return f"does not answer within {self._timeout:g} s"
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "shows a certificate that is not trusted; for an authority of your own set ca_file"
        if "[SSL" in text:
            return "refuses TLS; check whether url begins with http or https"
        if isinstance(error, httpx.ConnectError):
            return f"cannot be reached ({text.removeprefix('[Errno ').partition('] ')[2] or text})"
        return f"gives no answer ({type(error).__name__})"

    def _secret(self) -> str:
        found = secret("webhook", self._account)
        if not found:
            raise UsageError(
                f"webhook: no secret to sign with; set {variable('webhook', 'secret', self._account)}, or signed = false"
            )
        return found

    def _connect(self, ca_file: Path | None) -> httpx.Client:
        try:
            import httpx
        except ImportError:
            raise UsageError("webhooks need the live extra; pip install 'kinema[live]'") from None
        import logging
        import ssl

        quiet = logging.getLogger("httpx")
        if quiet.level == logging.NOTSET:
            quiet.setLevel(logging.WARNING)  # it would log whole addresses, which may be secret
        try:
            context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except OSError as error:
            raise UsageError(
                f"webhook: ca_file = {ca_file}: no certificates in PEM can be read ({first_line(error)})"
            ) from error
        return httpx.Client(timeout=self._timeout, verify=context, follow_redirects=False)


def refuse_secret_url(url: str) -> None:
    """Raise `UsageError` for an address from a file that holds a password or a key."""
    if secret_in_address(url):
        raise UsageError("url holds a password or key; set KINEMA_WEBHOOK_URL in its place and leave url out")


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3); at most a day."""
    if not value:
        return None
    try:
        if value.strip().isdigit():
            seconds = float(value)
        else:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(1.0, seconds), _LONGEST_PAUSE)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")

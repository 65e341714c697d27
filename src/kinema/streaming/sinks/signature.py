"""Signatures of webhooks: who receives one can tell that it is kinema's, whole, and no old one sent again."""

from __future__ import annotations

import hashlib
import hmac
import time

SIGNATURE = "X-Kinema-Signature"


def sign(body: bytes, secret: str, moment: float | None = None) -> str:
    """Return the value of `X-Kinema-Signature`: `t=SECONDS,v1=HEX`.

    HEX is the HMAC-SHA256 of `SECONDS.BODY` with the secret, as Stripe signs its webhooks
    (https://docs.stripe.com/webhooks#verify-manually); SECONDS is `time.time()` of the try, in whole seconds.

    >>> sign(b'{"type": "ping"}', "whsec", 1700000000)[:30]
    't=1700000000,v1=8a28f64106d729'
    """
    seconds = int(time.time() if moment is None else moment)
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


def verify(
    body: bytes, header: str | None, secret: str, *, tolerance: float = 300.0, now: float | None = None
) -> bool:
    """Return whether a request's `X-Kinema-Signature` fits its body, untouched, and is at most `tolerance` seconds old.

    For receivers: give the bytes of the body as they came, before any JSON is parsed. A delivery that is tried again comes
    with the same `Idempotency-Key` and a new signature.

    >>> header = sign(b'{"type": "ping"}', "whsec", 1700000000)
    >>> verify(b'{"type": "ping"}', header, "whsec", now=1700000060)
    True
    >>> verify(b'{"type": "pong"}', header, "whsec", now=1700000060)
    False
    >>> verify(b'{"type": "ping"}', header, "whsec", now=1700000301)
    False
    """
    moment: str | None = None
    given: list[str] = []
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            moment = value
        elif name == "v1":
            given.append(value)
    if moment is None or not (moment.isascii() and moment.isdigit()):
        return False
    if abs((time.time() if now is None else now) - int(moment)) > tolerance:
        return False
    wanted = sign(body, secret, int(moment)).partition("v1=")[2]
    return any(hmac.compare_digest(wanted.encode(), value.encode()) for value in given)

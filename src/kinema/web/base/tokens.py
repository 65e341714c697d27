"""API tokens: shown once, kept as a hash, revocable. A token is its user, below /api/ only."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from kinema.web.base.models import ApiToken

PREFIX = "kinema_"
"""How every token begins, so that scanners of leaked secrets know it."""
_NOTED_EVERY = timedelta(minutes=1)


def make_token(user: Any, name: str) -> tuple[ApiToken, str]:
    """Return a new token of a user and its text, which nobody can read again."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(user=user, name=name, hash=_hash(text), start=text[: len(PREFIX) + 4])
    return token, text


def find_token(text: str) -> ApiToken | None:
    """Return the token of a text and note that it was used; None where it is unknown, revoked or its user inactive."""
    if not text.startswith(PREFIX):
        return None
    known = ApiToken.objects.select_related("user")
    # 256 random bits need neither a salt nor a slow hash.
    token = known.filter(hash=_hash(text), revoked=None, user__is_active=True).first()
    if token is not None:
        now = timezone.now()
        ApiToken.objects.filter(Q(used=None) | Q(used__lt=now - _NOTED_EVERY), pk=token.pk).update(used=now)
    return token


def revoke(token: ApiToken) -> None:
    """End a token; it stays in the list as revoked."""
    ApiToken.objects.filter(pk=token.pk, revoked=None).update(revoked=timezone.now())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""The model hub: asked quietly, and not asked five times over where it cannot be reached."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

_SECONDS = 5.0  # to wait for the hub's first answer


@contextmanager
def model_hub() -> Iterator[bool]:
    """Yield whether the hub may be reached. Where not, weights stored earlier are found and others fail at once.

    The hub's client tries for a minute otherwise, and logs every try.
    """
    from huggingface_hub import constants

    settings: Any = constants
    logger = logging.getLogger("huggingface_hub")
    level, offline = logger.level, settings.HF_HUB_OFFLINE
    logger.setLevel(logging.CRITICAL)
    settings.HF_HUB_OFFLINE = bool(offline) or not _answers(str(settings.ENDPOINT))
    try:
        yield not settings.HF_HUB_OFFLINE
    finally:
        logger.setLevel(level)
        settings.HF_HUB_OFFLINE = offline


def _answers(address: str) -> bool:
    if getproxies():  # only the proxy knows
        return True
    parts = urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_SECONDS).close()
    except OSError:
        return False
    return True

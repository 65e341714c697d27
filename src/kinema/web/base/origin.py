"""WebSockets from pages of this very site only: browsers send cookies with those of any page, and no CSRF token guards them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameOrigin:
    """Refuses a WebSocket whose Origin is not the host that it asks, name and port; one without an Origin as well."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Go on, or answer 403."""
        if same_origin(scope.get("headers", [])):
            return await self._application(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


def same_origin(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether these headers come from a page of the host that they ask, and that host is this site."""
    found = {name.lower(): value.decode("latin1") for name, value in headers}
    host = found.get(b"host", "").lower()
    try:
        origin = urlsplit(found.get(b"origin", "").lower())
    except ValueError:
        return False
    name, _ = split_domain_port(host)
    if not name or not validate_host(name, settings.ALLOWED_HOSTS):
        return False
    return origin.netloc == host and origin.scheme in (
        ("https",) if settings.KINEMA_TLS else ("http", "https")
    )

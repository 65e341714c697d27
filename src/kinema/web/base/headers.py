"""Headers that keep a page's powers small, beside those of Django and the Content-Security-Policy."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

_OWN = ("autoplay", "camera", "fullscreen", "microphone")
_NOBODY = (
    "accelerometer", "display-capture", "geolocation", "gyroscope", "hid", "magnetometer", "midi", "payment",
    "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
_PERMISSIONS = ", ".join([*(f"{name}=(self)" for name in _OWN), *(f"{name}=()" for name in _NOBODY)])
_YEAR = 365 * 86400


class HeadersMiddleware(MiddlewareMixin):
    """Camera and microphone for pages of this site only; nothing of it inside pages of others; https from now on."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add the headers."""
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        name = request.META.get("HTTP_HOST", "").partition(":")[0]
        # All sites at work on this machine share the name localhost: https for one would be https for all.
        if request.is_secure() and name not in ("localhost", "127.0.0.1"):
            response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

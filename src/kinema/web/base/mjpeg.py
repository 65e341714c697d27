"""Pictures that replace each other in one answer (multipart/x-mixed-replace), which browsers show without a script."""

from __future__ import annotations

from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

_BOUNDARY = "kinemaframe"
_CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
BEGINNING = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
"""What comes before the first picture."""


def part(jpeg: bytes) -> bytes:
    """Return a picture with the headers of the next one behind it: Chromium shows a picture only once it has read those."""
    return jpeg + b"\r\n" + BEGINNING


def ending(jpeg: bytes) -> bytes:
    """Return the last picture, which stays: behind headers that no picture follows a browser would show nothing."""
    return jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode()


def mjpeg(request: HttpRequest, parts: AsyncIterator[bytes]) -> HttpResponseBase:
    """Return an answer of parts: `BEGINNING`, `part` again and again, `ending`. None of them for a HEAD request."""
    if request.method == "HEAD":
        return HttpResponse(content_type=_CONTENT_TYPE, headers=_HEADERS)
    return StreamingHttpResponse(parts, content_type=_CONTENT_TYPE, headers=_HEADERS)

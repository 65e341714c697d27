"""Static files: an address with a version is kept by browsers for good; one without is asked for again and costs a 304."""

from __future__ import annotations

import hashlib
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

_FOR_GOOD = "public, max-age=31536000, immutable"


class VersionedStatic(StaticFilesStorage):
    """`{% static %}` with `?v=VERSION`, except for scripts.

    A module that another one imports by its plain address and a page by one with a version would run twice.
    """

    def url(self, name: str) -> str:
        """Return the address of a file."""
        address: str = super().url(name)
        known = "" if name.endswith(".js") else version(name)
        return f"{address}?v={known}" if known else address


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise, which lets a browser keep what it asked for with the version that there is.

    A file is answered whole, not as WhiteNoise's stream: they are small, and Django's server would warn of each.
    """

    async_capable = sync_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._later(request)
        return super().__call__(request)

    async def _later(self, request: HttpRequest) -> Any:
        found = self.files.get(request.path_info)
        if found is None:
            return await self.get_response(request)
        return await sync_to_async(self.serve)(found, request)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with a file."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with closing(found.file) as file:
                content = file.read()
        response = HttpResponse(content, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        wanted = request.GET.get("v")
        if wanted and wanted == version(request.path_info.partition("/static/")[2]):
            response["Cache-Control"] = _FOR_GOOD
        return response


@cache
def version(name: str) -> str:
    """Return a few letters that change with a static file's content; empty where there is no such file."""
    path = finders.find(name) if name else None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:10] if path else ""

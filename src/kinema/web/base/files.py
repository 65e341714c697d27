"""Files to a browser: with ranges, so that a player can seek; in pieces, so that a long video fills no memory."""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header, http_date

_PIECE = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$")
_VIDEOS = {
    ".avi": "video/x-msvideo",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/mp4",  # browsers play one, and refuse it by its own name
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".ogg": "video/ogg",
    ".ogv": "video/ogg",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
    ".wmv": "video/x-ms-wmv",
}
PLAYED = frozenset({".m4v", ".mov", ".mp4", ".ogg", ".ogv", ".webm"})
"""Suffixes of videos that browsers play, where they know what is in them."""


def video_kind(path: Path) -> str:
    """Return the media type of a video by its name: some kind of video or nothing a browser knows, never a page or a script."""
    return _VIDEOS.get(path.suffix.lower(), "application/octet-stream")


async def send_file(
    request: HttpRequest,
    path: Path | None,
    *,
    download: str | None = None,
    kind: str | None = None,
    sandbox: bool = False,
) -> Any:
    """Return a file as a response; `path` must already be known to be one that may be seen (`folder.inside`).

    One range is answered with 206, as RFC 9110 says; several are answered with the whole file. `download` gives the name
    under which a browser saves it. `sandbox`: for HTML that kinema wrote (a report): its scripts run, without the site's
    cookies and addresses.
    """
    stat = await sync_to_async(_stat)(path)
    if path is None or stat is None:
        raise Http404
    kind = kind or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    begin, end, status = 0, stat.st_size, 200
    wanted = _RANGE.match(request.headers.get("Range", ""))
    if wanted and wanted.group(0) != "bytes=-" and request.headers.get("If-Range", etag) == etag:
        first, last = wanted.groups()
        begin = int(first) if first else max(0, stat.st_size - int(last))
        end = min(int(last) + 1, stat.st_size) if first and last else stat.st_size
        if begin >= end:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{stat.st_size}"})
        status = 206
    headers = {
        "Content-Length": str(end - begin),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": http_date(stat.st_mtime),
        "Cache-Control": "private, no-cache",
    }
    if status == 206:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{stat.st_size}"
    if download is not None:
        headers["Content-Disposition"] = content_disposition_header(True, download) or "attachment"
    if request.method == "HEAD":
        return HttpResponse(status=status, content_type=kind, headers=headers)
    try:
        file = await sync_to_async(_opened)(path)
    except FileNotFoundError as error:  # removed meanwhile
        raise Http404 from error
    response = StreamingHttpResponse(
        _pieces(file, begin, end),
        status=status,
        content_type=kind,
        headers=headers,
    )
    if sandbox:
        response._csp_replace = {  # type: ignore[attr-defined]
            "default-src": ["'none'"],
            "img-src": ["data:", "'self'"],
            "media-src": ["data:", "'self'"],
            "style-src": ["'unsafe-inline'"],
            "script-src": ["'unsafe-inline'"],
            "sandbox": ["allow-scripts"],
        }
    return response


def _stat(path: Path | None) -> os.stat_result | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return found if found is not None and S_ISREG(found.st_mode) else None


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


async def _pieces(file: BinaryIO, begin: int, end: int) -> AsyncIterator[bytes]:
    read = sync_to_async(file.read)
    try:
        await sync_to_async(file.seek)(begin)
        while begin < end:
            piece = await read(min(_PIECE, end - begin))
            if not piece:
                return
            begin += len(piece)
            yield piece
    finally:
        file.close()

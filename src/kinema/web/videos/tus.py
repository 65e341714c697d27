"""Uploads by the tus protocol (tus.io, version 1.0.0: core, creation, termination, expiration).

`POST /videos/uploads/` begins one (Upload-Length; Upload-Metadata with `filename`, and if wanted `key`: what the client
calls it, so that a begun upload is found again, and `recognizer`), `HEAD` asks how far it is, `PATCH` brings the next
piece, `DELETE` gives it up. Programs with a token do the same below /api/videos/uploads/.
"""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.http import http_date

from kinema.web.videos import uploads
from kinema.web.videos.limits import Refused, largest
from kinema.web.videos.models import Video

VERSION = "1.0.0"
_CONTENT = "application/offset+octet-stream"
_LONGEST_METADATA = 8192


def collection(request: HttpRequest) -> HttpResponse:
    """What the server can do (OPTIONS), and new uploads (POST)."""
    method = _method(request)
    if method == "OPTIONS":
        return _answer(204, about=True)
    if method != "POST":
        return _answer(405, "POST begins an upload")
    return _done(request, _create)


def upload(request: HttpRequest, token: str) -> HttpResponse:
    """One upload: how far it is (HEAD), the next piece (PATCH), give it up (DELETE)."""
    method = _method(request)
    if method == "OPTIONS":
        return _answer(204, about=True)
    actions = {"HEAD": _head, "PATCH": _patch, "DELETE": _delete}
    if method not in actions:
        return _answer(405, "HEAD asks how far it is, PATCH goes on, DELETE gives it up")
    video = Video.objects.filter(token=token).select_related("owner").first()
    if video is None:
        return _answer(404, "no such upload; it may have been too old. Begin it again")
    if video.owner is not None and video.owner != request.user and not request.user.is_superuser:  # type: ignore[union-attr]
        return _answer(403, "somebody else began this upload")
    return _done(request, lambda asked: actions[method](asked, video))


def _create(request: HttpRequest) -> HttpResponse:
    if "Upload-Defer-Length" in request.headers:
        return _answer(400, "say the size of the file at once (Upload-Length)")
    size = _count(request.headers.get("Upload-Length"))
    if size is None:
        return _answer(400, "Upload-Length must be the size of the file in bytes")
    about = metadata(request.headers.get("Upload-Metadata", ""))
    video = uploads.begin(
        about.get("filename") or about.get("name") or "video",
        size,
        request.user,
        key=about.get("key", ""),
        wanted=about.get("recognizer", ""),
    )
    address = request.build_absolute_uri(f"{request.path}{video.token}/")
    answer = JsonResponse({"id": video.pk, "url": video.get_absolute_url(), "name": video.name}, status=201)
    return _marked(answer, {"Location": address, **_expiry(video)})


def _head(request: HttpRequest, video: Video) -> HttpResponse:
    uploads.complete(video)  # where the server was killed between the last byte and this
    headers = {"Upload-Length": str(video.size), "Cache-Control": "no-store", **_expiry(video)}
    return _marked(HttpResponse(status=200), {"Upload-Offset": str(uploads.offset_of(video)), **headers})


def _patch(request: HttpRequest, video: Video) -> HttpResponse:
    if request.content_type != _CONTENT:
        return _answer(415, f"the content type must be {_CONTENT}")
    offset = _count(request.headers.get("Upload-Offset"))
    if offset is None:
        return _answer(400, "Upload-Offset must be the number of bytes before this piece")
    here = uploads.append(video, offset, _count(request.headers.get("Content-Length")), request)  # type: ignore[arg-type]
    return _marked(HttpResponse(status=204), {"Upload-Offset": str(here), **_expiry(video)})


def _delete(request: HttpRequest, video: Video) -> HttpResponse:
    if video.state != Video.State.UPLOADING:
        return _answer(403, "it is here already; delete the video on its page")
    uploads.discard(video)
    return _answer(204)


def metadata(text: str) -> dict[str, str]:
    """Read Upload-Metadata: `key base64, key base64`. Raises `Refused` for what is none.

    >>> metadata("filename a2ljay5tcDQ=,private")
    {'filename': 'kick.mp4', 'private': ''}
    """
    if len(text) > _LONGEST_METADATA:
        raise Refused(400, "Upload-Metadata is too long")
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = entry.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused(400, f"Upload-Metadata: the value of {key!r} is not base64 of UTF-8") from error
    return found


def _done(request: HttpRequest, action: object) -> HttpResponse:
    if request.headers.get("Tus-Resumable") != VERSION:
        return _answer(412, f"Tus-Resumable must be {VERSION}", about=True)
    try:
        answer: HttpResponse = action(request)  # type: ignore[operator]
    except Refused as refused:
        return _answer(refused.status, str(refused))
    return answer


def _answer(status: int, text: str = "", *, about: bool = False) -> HttpResponse:
    answer = JsonResponse({"detail": text}, status=status) if text else HttpResponse(status=status)
    headers = {"Tus-Version": VERSION} if about else {}
    if about and status == 204:
        headers |= {"Tus-Extension": "creation,termination,expiration", "Tus-Max-Size": str(largest())}
    return _marked(answer, headers)


def _marked(answer: HttpResponse, headers: dict[str, str]) -> HttpResponse:
    for name, value in {"Tus-Resumable": VERSION, **headers}.items():
        answer[name] = value
    return answer


def _expiry(video: Video) -> dict[str, str]:
    if video.state != Video.State.UPLOADING or video.expires is None:
        return {}
    return {"Upload-Expires": http_date(video.expires.timestamp())}


def _method(request: HttpRequest) -> str:
    # "The Server MUST interpret its value as the request's method" (tus 1.0.0, X-HTTP-Method-Override); of a POST only,
    # whose CSRF token was checked.
    override = request.headers.get("X-HTTP-Method-Override", "")
    return override.upper() if override and request.method == "POST" else str(request.method)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None

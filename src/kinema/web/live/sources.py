"""What can be watched: cameras of this machine, allowed sources, uploaded videos, typed addresses, browsers' cameras.

A source is known by its slug, which says nothing of where it lies: `camera-0`, `source-3`, `video-12`, `address-…`,
`browser-…`.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import re
import secrets
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

from kinema.errors import KinemaError
from kinema.web.live.addresses import check_stream, filled, is_camera, shown

Kind = Literal["camera", "stream", "video", "browser"]
_TOKEN = re.compile(r"[0-9a-f]{24}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_VIDEOS = "kinema.web.videos.models"
_SHOWN_VIDEOS = 50
_TYPED_KEPT = 100
_typed: dict[str, str] = {}


class Gone(KinemaError):  # noqa: N818 - what it says is of the source
    """There is no such source, or it may not be watched; the text says why."""


@dataclass(frozen=True)
class LiveSource:
    """One thing to watch. `address` is what `open_live` takes and is shown to nobody; `keep`: whether events are kept; `page`:
    where it is at home on this site, if anywhere.
    """

    slug: str
    title: str
    kind: Kind
    address: str = field(default="", repr=False)
    keep: bool = True
    page: str = ""


def offered() -> list[tuple[str, list[LiveSource]]]:
    """Return what a page may offer, in groups with a title each; the browser's camera and typed addresses aside."""
    groups = [
        ("Cameras of this machine", _cameras()),
        ("Sources", _allowed()),
        ("Uploaded videos", _videos()),
    ]
    return [(title, sources) for title, sources in groups if sources]


def may_type() -> bool:
    """Whether any address may be typed: only on a site without login, which none but this machine reaches."""
    return not settings.KINEMA_LOGIN


def find(slug: str) -> LiveSource:
    """Return a source as it is now. Raises `Gone` in words, for one that may not be watched too."""
    kind, _, rest = slug.partition("-")
    if kind in ("browser", "browserkept") and _TOKEN.fullmatch(rest):
        return LiveSource(slug, "This browser's camera", "browser", keep=kind == "browserkept")
    if kind == "camera" and (source := next((one for one in _cameras() if one.slug == slug), None)):
        return source
    if kind == "source" and _NUMBER.fullmatch(rest):
        return _allowed_one(int(rest))
    if kind == "video" and _NUMBER.fullmatch(rest):
        return _video(int(rest))
    if kind == "address" and may_type() and (address := _typed.get(slug)):
        return LiveSource(slug, shown(address), "stream", address)
    raise Gone("There is no such source any more; choose another.")


def browser(*, keep: bool = False) -> LiveSource:
    """Return the camera of a browser that has none yet: an engine of its own, under a name that nobody guesses."""
    kind = "browserkept" if keep else "browser"
    return LiveSource(f"{kind}-{secrets.token_hex(12)}", "This browser's camera", "browser", keep=keep)


def typed(address: str) -> LiveSource:
    """Return the source of an address that a user typed; the same one for the same address, so that viewers share it.

    It is kept in this process's memory alone, since it may hold a password. Raises `Gone` where only allowed sources may
    be watched, `UsageError` for an address that may not be opened.
    """
    if not may_type():
        raise Gone("Here only sources that an administrator allowed can be watched; ask for it to be added.")
    address = address.strip()
    check_stream(address)
    digest = hmac.new(settings.SECRET_KEY.encode(), address.encode(), hashlib.sha256).hexdigest()
    slug = f"address-{digest[:24]}"
    _typed.pop(slug, None)
    _typed[slug] = address
    while len(_typed) > _TYPED_KEPT:
        del _typed[next(iter(_typed))]
    return find(slug)


def _cameras() -> list[LiveSource]:
    if settings.KINEMA_LOGIN:
        return []  # an administrator lists those that others may see
    if not sys.platform.startswith("linux"):
        return [LiveSource("camera-0", "The first camera", "camera", "0")]
    from kinema.video.live import cameras

    found = []
    for path in cameras():
        name = Path(path).name
        facts = Path("/sys/class/video4linux") / name
        # A camera shows several devices; only the first one sends pictures.
        if _text(facts / "index") not in ("", "0"):
            continue
        title = f"{_text(facts / 'name') or 'Camera'} ({path})"
        found.append(LiveSource(f"camera-{name.removeprefix('video')}", title, "camera", path))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _allowed() -> list[LiveSource]:
    from kinema.web.live.models import AllowedSource

    return [_of(one) for one in AllowedSource.objects.filter(enabled=True)]


def _allowed_one(pk: int) -> LiveSource:
    from kinema.web.live.models import AllowedSource

    one = AllowedSource.objects.filter(pk=pk, enabled=True).first()
    if one is None:
        raise Gone("This source is not on the list any more; choose another.")
    source = _of(one)
    return LiveSource(source.slug, source.title, source.kind, filled(one.address))


def _of(one: Any) -> LiveSource:
    return LiveSource(
        f"source-{one.pk}", one.name, "camera" if is_camera(one.address) else "stream", one.address
    )


def _videos() -> list[LiveSource]:
    if find_spec("kinema.web.videos") is None or find_spec(_VIDEOS) is None:
        return []
    ready = importlib.import_module(_VIDEOS).Video.objects.filter(state="ready").order_by("-created")
    return [LiveSource(f"video-{one.pk}", one.name, "video") for one in ready[:_SHOWN_VIDEOS]]


def _video(pk: int) -> LiveSource:
    if find_spec("kinema.web.videos") is not None and find_spec(_VIDEOS) is not None:
        one = importlib.import_module(_VIDEOS).Video.objects.filter(pk=pk, state="ready").first()
        if one is not None:
            page = one.get_absolute_url()
            return LiveSource(f"video-{pk}", one.name, "video", str(one.path), keep=False, page=page)
    raise Gone("This video is not here any more; choose another.")

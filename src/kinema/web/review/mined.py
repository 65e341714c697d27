"""Clips that `kinema mine clips` cut, brought into the site to be reviewed by several people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath

from django.http import Http404

from kinema.errors import KinemaError
from kinema.files import atomic_path
from kinema.web.datasets.roots import roots
from kinema.web.folder import inside, site
from kinema.web.review.clips import PLAYED, add_clip
from kinema.web.review.importing import brought
from kinema.web.review.models import Clip

_MANIFEST, _ABOUT = "clips.csv", "mining.json"
_SIDE = 320  # pixels of a thumbnail's longer side


@dataclass(frozen=True)
class MinedFolder:
    """What one call of `kinema mine clips` left; `key` names it in forms."""

    key: str
    title: str
    path: Path
    recognizer: str
    clips: int


def mined_folders() -> list[MinedFolder]:
    """Return the folders of mined clips in the folders of data (`kinema serve --data`) and directly below them."""
    found = []
    for root in roots():
        for about in sorted([*root.glob(_ABOUT), *root.glob(f"*/{_ABOUT}")]):
            path = about.parent.resolve()
            if path.is_relative_to(root) and (path / _MANIFEST).is_file():
                found.append(_described(path))
    return list({folder.path: folder for folder in found}.values())


def mined_folder(key: str) -> MinedFolder:
    """Return the folder of that key. Raises `Http404`."""
    for folder in mined_folders():
        if folder.key == key:
            return folder
    raise Http404(f"no folder of mined clips {key!r}")


def import_mined(
    folder: MinedFolder, progress: Callable[[float, float, str], None] | None = None
) -> dict[str, int]:
    """Bring the clips of a folder into the site; return how many are new, known, and cannot be shown.

    Files are linked or copied below the site's folder, so that the folder may go. Clips of the same footage become a family.
    A clip that is there is brought up to date; what people decided stays. Raises `DataError` when the manifest cannot be read.
    """
    from kinema.data import read_data
    from kinema.mining.review import candidates_of, find_families

    manifest = read_data(folder.path / _MANIFEST)
    target = site().place("events", "imported", folder.key)
    # A manifest may name any file of the machine; only what lies beside it is opened and comes in.
    files = [brought(inside(folder.path, one.name), target, PLAYED) for one in manifest.segments()]
    rows = [row for row, file in enumerate(files) if file is not None]
    own = manifest.replace(manifest.table.iloc[rows].reset_index(drop=True))
    candidates = candidates_of(own)

    def comparing(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(0.5 * done / max(1, total), 1, f"{what} {done} of {total}")

    families = find_families(own, candidates, workers=1, progress=comparing)
    count = {"added": 0, "known": 0, "without_clip": len(files) - len(rows)}
    for number, (candidate, clip) in enumerate(zip(candidates, filter(None, files), strict=True)):
        if progress is not None:
            progress(0.5 + 0.5 * number / len(candidates), 1, f"{number} of {len(candidates)} clips")
        uid = f"{folder.key}/{candidate.uid}"[:255]
        count["known" if Clip.objects.filter(uid=uid).exists() else "added"] += 1
        family = families.family_of.get(candidate.uid)
        # Where the manifest knows no answer, a page may have given one.
        known = {} if candidate.known is None else {"known": candidate.known}
        add_clip(
            uid,
            candidate.label,
            kind=Clip.Kind.MINED,
            score=candidate.score,
            source=candidate.group,
            recognizer=folder.recognizer,
            recorded=datetime.fromtimestamp(clip.stat().st_mtime, UTC),
            start=candidate.start,
            end=candidate.end,
            clip_start=candidate.clip_start,
            clip_end=candidate.clip_end,
            clip=clip,
            thumbnail=_thumbnail(clip) or "",
            video=candidate.group,
            family=f"{folder.key}/{family}" if family else "",
            **known,
        )
    return count


def _described(path: Path) -> MinedFolder:
    about: dict[str, object] = {}
    with suppress(OSError, ValueError):
        read = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        about = read if isinstance(read, dict) else {}
    recognizer = about.get("recognizer")
    # A recognizer of a folder is called by its path, which is nobody else's business.
    name = PurePath(str(recognizer.get("name", ""))).name if isinstance(recognizer, dict) else ""
    with (path / _MANIFEST).open("rb") as file:
        clips = max(0, sum(1 for _ in file) - 1)
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:12]
    return MinedFolder(f"mined-{digest}", path.name, path, name, clips)


def _thumbnail(clip: Path) -> Path | None:
    """Return a picture from the middle of a clip; None for one that shows none."""
    from kinema.video import open_source
    from kinema.video.jpeg import jpeg

    path = clip.with_suffix(".jpg")
    if path.exists():
        return path
    with suppress(KinemaError), open_source(clip, threads=1) as video:
        share = min(1.0, _SIDE / max(video.size))
        size = max(1, round(video.size[0] * share)), max(1, round(video.size[1] * share))
        frame = next(iter(video.frames(start=(video.duration or 0.0) / 2, size=size)), None)
        if frame is None:
            return None
        with atomic_path(path) as temporary:
            temporary.write_bytes(jpeg(frame.image))
        return path
    return None

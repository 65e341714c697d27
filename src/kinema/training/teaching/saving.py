"""A taught recognizer on disk: its folder, which appears whole, and a zip of it."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from kinema.errors import KinemaError
from kinema.events import EventRules
from kinema.files import atomic_path, write_json
from kinema.models import Recognizer
from kinema.training.teaching.estimate import Estimate
from kinema.training.teaching.words import Verdict

ESTIMATE_FILE = "estimate.json"
_README = """{title}: a recognizer of {classes}, taught with kinema.

    kinema watch "{name}" 0              this machine's camera
    kinema predict "{name}" VIDEO        a label, a timeline and events of a video

{verdict}
"""


def save(
    recognizer: Recognizer,
    folder: Path,
    *,
    title: str | None,
    background: Sequence[str],
    estimate: Estimate | None,
    verdict: Verdict,
) -> None:
    """Write the recognizer beside `folder` and move it there; one that is there already goes away with the move.

    Half a window is how much later than an action its rows are, and `background` makes no events.
    """
    building = f".{folder.name}.building"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{building}*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        # Two folders deep: what lists the recognizers beside it does not see a half-written one.
        beside = Path(tempfile.mkdtemp(prefix=building, dir=folder.parent))
    except OSError as error:
        raise KinemaError(f"{folder}: cannot be written: {error.strerror or error}") from error
    try:
        fresh = beside / "new"
        recognizer.save(fresh)
        EventRules(background=tuple(background), lag=round(recognizer.spec.span / 2, 3)).save(fresh)
        write_json(
            fresh / ESTIMATE_FILE,
            {"verdict": verdict.to_dict(), "estimate": estimate.to_dict() if estimate else None},
        )
        _entitle(fresh / "recognizer.json", title)
        if folder.exists():
            folder.replace(beside / "old")
        fresh.replace(folder)
    except OSError as error:
        raise KinemaError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    recognizer.folder = folder


def pack(folder: Path, path: Path, name: str, title: str) -> Path:
    """Write a zip of a recognizer's folder, below `name` in it, with a few lines that say how to use it."""
    stored = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
    said = json.loads((folder / ESTIMATE_FILE).read_text(encoding="utf-8"))["verdict"]
    readme = _README.format(
        title=title,
        classes=", ".join(stored["classes"]),
        name=name,
        verdict="\n".join([said["headline"], *said["sentences"]]),
    )
    # Weights do not get smaller by being compressed.
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for item in sorted(folder.rglob("*")):
            if item.is_file():
                archive.write(item, f"{name}/{item.relative_to(folder).as_posix()}")
        archive.writestr(f"{name}/README.txt", readme)
    return path


def _entitle(path: Path, title: str | None) -> None:
    """Add a title for people to what `Recognizer.save` wrote; `Recognizer.load` does not mind it."""
    if title:
        stored = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, {"title": title, **stored})

"""What a site keeps of pictures, copies and outcomes is bounded: what nobody looks at goes, and is made again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

DAY = 86_400


def made(path: Path, size: int, days: float) -> Path:
    """A file that was last looked at some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_what_nobody_looked_at_for_longest_goes_first(tmp_path: Path) -> None:
    from kinema.web.folder import trim

    made(tmp_path / "a" / "one.jpg", 100, days=9)
    made(tmp_path / "a" / "two.jpg", 100, days=2)
    made(tmp_path / "b" / "three.jpg", 100, days=5)
    assert (trim(tmp_path, 300), left(tmp_path)) == (0, ["a/one.jpg", "a/two.jpg", "b/three.jpg"])
    assert (trim(tmp_path, 299), left(tmp_path)) == (100, ["a/two.jpg", "b/three.jpg"])
    assert (trim(tmp_path, 150), left(tmp_path)) == (100, ["a/two.jpg"])


def test_what_belongs_together_goes_together_and_is_as_old_as_its_last_look(tmp_path: Path) -> None:
    from kinema.web.folder import trim

    made(tmp_path / "one.json", 10, days=9)
    made(tmp_path / "one.mp4", 100, days=9)
    made(tmp_path / "one.jpg", 100, days=1)
    made(tmp_path / "two.jpg", 100, days=3)
    assert (trim(tmp_path, 250), left(tmp_path)) == (100, ["one.jpg", "one.json", "one.mp4"])
    assert (trim(tmp_path, 200), left(tmp_path)) == (210, [])


def test_what_was_read_a_moment_ago_stays_however_much_it_is(tmp_path: Path) -> None:
    from kinema.web.folder import trim

    fresh = made(tmp_path / "fresh.jpg", 100, days=0)
    read = made(tmp_path / "read.jpg", 100, days=9)
    os.utime(read, (time.time(), read.stat().st_mtime))
    assert (trim(tmp_path, 0), left(tmp_path)) == (0, ["fresh.jpg", "read.jpg"])
    os.utime(fresh, (time.time() - DAY,) * 2)
    assert (trim(tmp_path, 0), left(tmp_path)) == (100, ["read.jpg"])
    assert trim(tmp_path / "absent", 0) == 0


def test_each_folder_that_pages_fill_is_bounded(
    database: None, two_actions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.data import Segment
    from kinema.web.datasets import outcomes, pictures
    from kinema.web.folder import site
    from kinema.web.runs import excerpts

    old = {
        name: made(site().root / name / "ab" / "old.jpg", 100, days=9)
        for name in ("thumbnails", "runs-clips", "outcomes")
    }
    for module in (pictures, excerpts, outcomes):
        monkeypatch.setattr(module, "_MOST", 50)
    monkeypatch.setattr(excerpts, "_trimmed", float("-inf"))

    loaded: Any = None  # no row is asked for
    pictures.make_pictures(loaded, [], lambda done, total: None)
    outcomes.keep_outcome("0123456789", outcomes.Outcome("split", "mine"))
    video = next((two_actions / "move").glob("*.mp4"))
    strip = excerpts.filmstrip_of("bounded", Segment(video, None, None, "move", "test", "g", 3, video.name))
    assert {name: path.exists() for name, path in old.items()} == {
        "thumbnails": False,
        "runs-clips": False,
        "outcomes": False,
    }
    assert strip is not None and strip.is_file()
    assert outcomes.outcome("0123456789").title == "mine"

"""Explore as a function: what it says of each clip, what it calls odd and why, and that nothing stops it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.data import Manifest, read_data
from kinema.data.explore import Exploration, alike, explore
from kinema.data.explore.facts import look
from kinema.data.explore.remarks import shortcuts
from kinema.errors import KinemaError, UsageError
from kinema.video import VideoWriter

Film = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Return a function that writes a synthetic clip: four squares that move over a scene, each scene its own way."""

    def make(
        name: str,
        frames: int = 20,
        fps: float = 10,
        size: tuple[int, int] = (96, 64),
        scene: int | None = None,
        light: float = 1.0,
        moving: bool = True,
        quality: int = 23,
        mirrored: bool = False,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, fps, size=size, quality=quality) as out:
            for k in range(frames):
                picture = _picture(
                    sum(name.encode()) if scene is None else scene, k / frames if moving else 0
                )
                picture = (picture * light).astype(np.uint8)
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                out.write(np.ascontiguousarray(picture[:, ::-1] if mirrored else picture))
        return path

    return make


def _picture(scene: int, moment: float) -> NDArray[np.uint8]:
    random = np.random.default_rng(scene)
    coarse = random.integers(30, 200, (5, 7, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(np.kron(coarse, np.ones((28, 28, 1), dtype=np.uint8))[:128, :192], (0, 0), 6)
    for _ in range(4):
        start, turn, reach = random.random(2), random.uniform(2, 9, 2), random.uniform(0.2, 0.5, 2)
        x, y = (0.5 + reach * np.sin(turn * (moment + start))) * (160, 96)
        picture[int(max(y, 0)) : int(y) + 26, int(max(x, 0)) : int(x) + 26] = random.integers(0, 256, 3)
    return np.asarray(picture, dtype=np.uint8)


def _odd(found: Exploration) -> dict[str, list[str]]:
    return {
        clip.segment.name: [oddity.kind for oddity in oddities]
        for clip, oddities in zip(found.clips, found.oddities, strict=True)
        if oddities
    }


def _reason(found: Exploration, name: str, kind: str) -> str:
    row = next(i for i, clip in enumerate(found.clips) if clip.segment.name == name)
    return next(oddity.reason for oddity in found.oddities[row] if oddity.kind == kind)


def test_each_kind_of_broken_clip_is_named_with_its_reason(tmp_path: Path, film: Film) -> None:
    for k in range(9):
        film(f"run/good{k}.mp4", scene=100 + k)
    film("run/short.mp4", frames=2, scene=1)
    film("run/dark.mp4", light=0.08, scene=2)
    film("run/frozen.mp4", moving=False, scene=3)
    film("run/twin.mp4", scene=100, quality=34)
    film("run/zero.mp4", scene=4).write_bytes(b"")
    (tmp_path / "run/text.mp4").write_text("not a video at all\n" * 50)
    (tmp_path / "run/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = explore(read_data(tmp_path), tmp_path / "page.html", workers=2)
    assert _odd(found) == {
        "run/dark.mp4": ["dark"],
        "run/frozen.mp4": ["frozen"],
        "run/gone.mp4": ["unreadable"],
        "run/good0.mp4": ["nearly equal"],
        "run/short.mp4": ["too short"],
        "run/text.mp4": ["unreadable"],
        "run/twin.mp4": ["nearly equal"],
        "run/zero.mp4": ["unreadable"],
    }
    assert _reason(found, "run/gone.mp4", "unreadable").startswith("missing: no such file")
    assert _reason(found, "run/zero.mp4", "unreadable").startswith("empty: the file has 0 bytes")
    assert _reason(found, "run/twin.mp4", "nearly equal") == "nearly equal to run/good0.mp4"
    assert _reason(found, "run/short.mp4", "too short") == "2 frames, 0.20 s"
    assert all(str(tmp_path) not in oddity.reason for oddities in found.oddities for oddity in oddities)
    worst = [found.clips[i].segment.name for i in found.odd]
    assert worst[:3] == ["run/gone.mp4", "run/text.mp4", "run/zero.mp4"] and len(worst) == 8
    table = found.table().set_index("video")
    assert table.loc["run/good1.mp4", ["frames", "seconds", "width", "height", "rate", "codec"]].tolist() == [
        20, 2.0, 96, 64, 10.0, "h264",
    ]  # fmt: skip
    assert "16 clips looked at" in found.text() and "8 odd" in found.text()


def test_a_damaged_file_is_shown_with_what_can_be_seen(tmp_path: Path, film: Film) -> None:
    path = film("a.mp4", frames=300, quality=10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = explore(Manifest({"video": ["a.mp4"]}, root=tmp_path), tmp_path / "page.html")
    assert set(_odd(found)["a.mp4"]) == {"damaged"}
    assert found.page.inside == 1


def test_segments_are_looked_at_within_their_times(tmp_path: Path, film: Film) -> None:
    film("v.mp4", frames=30)  # 3 s at 10 fps
    table = {"video": ["v.mp4"] * 3, "start": [0.5, 2.5, 9.0], "end": [2.0, 6.0, 12.0], "label": list("abc")}
    found = explore(Manifest(table, root=tmp_path), tmp_path / "page.html")
    inside, beyond, outside = found.clips
    assert (inside.frames, round(inside.seconds, 3)) == (15, 1.5)
    assert [round(time, 2) for time in inside.times] == [0.5, 0.9, 1.3, 1.7, 1.9]
    assert (beyond.frames, beyond.problems) == (5, ("ends at 6 s, but the video at 3.00 s",))
    assert outside.fault == "starts at 9 s, but the video ends at 3.00 s"


def test_a_clip_longer_than_a_minute_is_looked_at_by_seeking(tmp_path: Path, film: Film) -> None:
    film("long.mp4", frames=1400, fps=20)  # 70 s
    (clip,) = look(Manifest({"video": ["long.mp4"]}, root=tmp_path).segments())
    assert clip.frames is None and round(clip.seconds, 2) == 70.0
    assert [round(time, 2) for time in clip.times] == [0.0, 17.5, 35.0, 52.5, 69.95]
    found = explore(Manifest({"video": ["long.mp4"]}, root=tmp_path), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert found.page.inside == 1 and "plays its first 30.0 s" in page


def test_copies_are_worse_under_another_label_or_in_another_split(tmp_path: Path, film: Film) -> None:
    film("a.mp4", scene=1)
    film("a again.mp4", scene=1, size=(64, 42), quality=30)
    film("b.mp4", scene=2)
    film("b mirrored.mp4", scene=2, mirrored=True)
    film("c.mp4", scene=3)
    table = {
        "video": ["a.mp4", "a again.mp4", "b.mp4", "b mirrored.mp4", "c.mp4"],
        "label": ["x", "x", "x", "y", "y"],
        "split": ["train", "test", "train", "train", "test"],
    }
    found = explore(Manifest(table, root=tmp_path), tmp_path / "page.html")
    assert _reason(found, "a.mp4", "leak") == "nearly equal to a again.mp4, which is in test"
    assert (
        _reason(found, "b mirrored.mp4", "label conflict") == "nearly equal to b.mp4 mirrored, which is 'x'"
    )
    assert "c.mp4" not in _odd(found)
    assert [found.clips[i].segment.name for i in found.odd] == [
        "b.mp4",
        "b mirrored.mp4",
        "a.mp4",
        "a again.mp4",
    ]


def test_clips_unlike_the_others_are_odd(tmp_path: Path, film: Film) -> None:
    for k in range(18):
        film(f"kick/{k}.mp4", scene=k)
    film("kick/tall.mp4", scene=50, size=(64, 96))
    film("kick/fast.mp4", scene=51, frames=60, fps=30)
    film("kick/long.mp4", scene=52, frames=100)
    found = explore(read_data(tmp_path), tmp_path / "page.html")
    assert _odd(found) == {
        "kick/fast.mp4": ["odd rate"],
        "kick/long.mp4": ["odd length"],
        "kick/tall.mp4": ["odd size"],
    }
    assert _reason(found, "kick/tall.mp4", "odd size") == "64x96; 95 % are 96x64"
    assert _reason(found, "kick/fast.mp4", "odd rate") == "30 fps; 95 % are 10 fps"
    assert _reason(found, "kick/long.mp4", "odd length") == "10.0 s; the median is 2.0 s"


def test_a_trait_of_the_files_that_tells_the_class_is_named(tmp_path: Path, film: Film) -> None:
    rows = []
    for k in range(24):
        label = "run" if k % 2 else "walk"
        film(f"{label}{k}.mp4", frames=4, scene=k, fps=20 if label == "run" else 10)
        rows.append((f"{label}{k}.mp4", label, f"person{k}"))
    names, labels, groups = map(list, zip(*rows, strict=True))
    clips = look(Manifest({"video": names, "label": labels, "group": groups}, root=tmp_path).segments())
    said = shortcuts(clips)
    assert any("the frame rate alone tells the class of 100 % of the clips" in line for line in said)
    # One group: nothing is known of any other, so nothing can be guessed.
    clips = look(Manifest({"video": names, "label": labels, "group": ["a"] * 24}, root=tmp_path).segments())
    assert shortcuts(clips) == []


def test_frame_folders_and_clips_without_labels(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"walk_{k:05}.jpg"), _picture(1, k / 12))
    manifest = Manifest({"video": ["walk"], "fps": [6.0]}, root=tmp_path)
    found = explore(manifest, tmp_path / "page.html")
    (clip,) = found.clips
    assert (clip.frames, clip.seconds, clip.fps, clip.format) == (12, 2.0, 6.0, "jpeg in folder")
    assert found.page.inside == 1 and "(no label)" in (tmp_path / "page.html").read_text()


def test_nothing_that_can_be_read_still_makes_a_page(tmp_path: Path) -> None:
    manifest = Manifest({"video": ["a.mp4", "b.mp4"], "label": ["x", "y"]}, root=tmp_path)
    found = explore(manifest, tmp_path / "page.html")
    assert found.remarks[0].level == "serious" and "not one clip can be read" in found.remarks[0].text
    assert _odd(found) == {"a.mp4": ["unreadable"], "b.mp4": ["unreadable"]}


def test_large_data_is_sampled_and_says_so(tmp_path: Path, film: Film) -> None:
    first = film("0.mp4", frames=4)
    for k in range(1, 30):
        shutil.copy(first, tmp_path / f"{k}.mp4")
    table = {"video": [f"{k}.mp4" for k in range(30)], "label": ["x", "y", "z"] * 10}
    manifest = Manifest(table, root=tmp_path)
    found = explore(manifest, tmp_path / "page.html", per_class=2, most=15)
    assert len(found.clips) == 15 and len(found.shown) == 6
    assert [found.clips[i].segment.label for i in found.shown].count("y") == 2
    assert found.remarks[-1].text.startswith("15 of 30 clips were looked at")
    assert any(
        "the contact sheets show 6 of 15 clips, at most 2 of each class" in note for note in found.notes
    )
    assert found.text().startswith("15 clips looked at")


def test_previews_beyond_the_limit_lie_beside_and_those_of_an_earlier_page_go(
    tmp_path: Path, film: Film
) -> None:
    for k in range(3):
        film(f"x/{k}.mp4", scene=k)
    (tmp_path / "pages").mkdir()
    page, folder = tmp_path / "pages/my page.html", tmp_path / "pages/my page_files"
    manifest = read_data(tmp_path / "x")
    small = explore(manifest, page, page_bytes=0)
    assert (small.page.inside, small.page.beside, small.page.folder) == (0, 3, folder)
    names = ["clip-000000.mp4", "clip-000001.mp4", "clip-000002.mp4"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert 'data-src="my%20page_files/clip-000001.mp4"' in page.read_text()
    assert any("keep the folder my page_files beside it" in note for note in small.notes)
    whole = explore(manifest, page)
    assert (whole.page.inside, whole.page.beside) == (3, 0) and not folder.exists()
    none = explore(manifest, page, previews=False)
    assert none.page.inside == 0 and none.page.size < small.page.size + 10_000
    assert sorted(path.name for path in page.parent.iterdir()) == ["my page.html"]


def test_a_damaged_picture_that_only_the_preview_meets_is_an_oddity(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"{k:02}.jpg"), _picture(1, k / 12))
    (folder / "04.jpg").write_bytes(b"no picture")
    found = explore(Manifest({"video": ["walk"], "fps": [10.0]}, root=tmp_path), tmp_path / "page.html")
    assert _odd(found) == {"walk": ["damaged"]} and "04.jpg" in _reason(found, "walk", "damaged")


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    manifest = Manifest({"video": ["a.mp4"]}, root=tmp_path)
    for settings in ({"per_class": 0}, {"most": 0}, {"workers": 0}):
        with pytest.raises(UsageError, match="at least 1, not 0"):
            explore(manifest, tmp_path / "page.html", **settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"ends in \.html"):
        explore(manifest, tmp_path / "page.csv")


def test_the_fights_have_one_camera_behind_six_clips(test_data: Path, tmp_path: Path) -> None:
    names = "fi001|fi046|fi049|fi050|fi060|nofi001|nofi023|nofi024|nofi030"
    chosen = lambda table: table["video"].str.fullmatch(rf"\w+/(?:{names})\.mp4")  # noqa: E731
    manifest = read_data(test_data / "fights").filter(where=chosen)
    found = explore(manifest, tmp_path / "page.html", previews=False)
    # The burnt-in clock of "CAM 02" runs through these, under both labels.
    assert "5 clips of 9 show the same scene as a clip of another group" in found.text()


def test_what_could_not_be_compared_is_said(
    tmp_path: Path, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest({"video": [film(f"{k}.mp4", scene=k).name for k in range(2)]}, root=tmp_path)

    def failing(*_: object, **__: object) -> None:
        raise KinemaError("the disk is full")

    monkeypatch.setattr(alike, "near_duplicates", failing)
    found = explore(manifest, tmp_path / "page.html", previews=False)
    said = "not compared with the others: no clip was compared with another: the disk is full"
    assert ("warning", True) in [(remark.level, remark.text.startswith(said)) for remark in found.remarks]
    assert said in found.text() and said in (tmp_path / "page.html").read_text()

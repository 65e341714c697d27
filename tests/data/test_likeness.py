"""Near-duplicates: copies are found whatever was done to them, other takes before the same background are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.data import Manifest, read_data
from kinema.data.likeness import accept_leaks, fingerprints, merge_groups, near_duplicates, write_leak_page
from kinema.data.likeness.alignment import Moments, align
from kinema.data.likeness.fingerprints import Fingerprint, moment_hashes
from kinema.data.likeness.hash_search import bit_count, propose
from kinema.data.segments import open_segment
from kinema.errors import DataError, UsageError
from kinema.video import VideoWriter, open_source

Picture = NDArray[np.uint8]
FPS = 24.0


def _scene(seed: int) -> Picture:
    """Synthetic: a street-like background, smooth and uneven, 160 x 120."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 200, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def _take(scene: int, actors: int, seconds: float = 4.0) -> list[Picture]:
    """Synthetic: three figures that walk at speeds of their own before a background that does not move."""
    random = np.random.default_rng(actors)
    start, speed = random.uniform(10, 110, (3, 2)), random.uniform(-30, 30, (3, 2))
    shade, pictures = random.integers(0, 255, 3), []
    for frame in range(round(seconds * FPS)):
        picture = _scene(scene).copy()
        for place, pace, grey in zip(start, speed, shade, strict=True):
            x, y = (place + pace * frame / FPS + 6 * np.sin(frame / FPS * 5 + place)) % 120
            cv2.ellipse(picture, (int(x) + 20, int(y)), (6, 16), 0, 0, 360, (int(grey),) * 3, -1)
        pictures.append(picture)
    return pictures


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes pictures as a video and returns its name."""

    def written(name: str, pictures: list[Picture], fps: float = FPS) -> str:
        height, width = pictures[0].shape[:2]
        with VideoWriter(tmp_path / name, fps, size=(width - width % 2, height - height % 2)) as writer:
            for picture in pictures:
                writer.write(np.ascontiguousarray(picture[: height - height % 2, : width - width % 2]))
        return name

    return written


Write = Callable[..., str]
COPIES: dict[str, Callable[[list[Picture]], list[Picture]]] = {
    "encoded again": lambda p: p,
    "half the size": lambda p: [cv2.resize(x, (80, 60), interpolation=cv2.INTER_AREA) for x in p],
    "mirrored": lambda p: [x[:, ::-1] for x in p],
    "brighter": lambda p: [np.clip(x * 1.2 + 20, 0, 255).astype(np.uint8) for x in p],
    "cropped": lambda p: [x[6:-6, 8:-8] for x in p],
    "half a second later": lambda p: p[12:],
    "the middle": lambda p: p[24:-24],
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_other_takes_of_the_place_are_not(
    kind: str, write: Write, tmp_path: Path
) -> None:
    original = _take(1, 1)
    names = [
        write("a.mp4", original),
        write("other take.mp4", _take(1, 2)),
        write("other place.mp4", _take(2, 3)),
        write("copy.mp4", COPIES[kind](original)),
    ]
    manifest = Manifest({"video": names, "split": ["train", "test", "test", "test"]}, root=tmp_path)
    report = near_duplicates(manifest)
    assert [(p.first.name, p.second.name, p.mirrored) for p in report.pairs] == [
        ("a.mp4", "copy.mp4", kind == "mirrored")
    ]
    assert report.pairs[0].likeness > 0.72 and not report.pairs[0].still
    assert report.leaks() == report.pairs


def test_times_say_where_the_copy_lies(write: Write, tmp_path: Path) -> None:
    original = _take(1, 1, 6.0)
    write("a.mp4", original)
    write("b.mp4", _take(3, 4, 1.5) + original[48:120])  # 1.5 s of something else, then its seconds 2 to 5
    table = {"video": ["a.mp4", "b.mp4"], "group": ["p1", "p2"]}
    pair = near_duplicates(Manifest(table, root=tmp_path)).pairs[0]
    assert pair.first_start == pytest.approx(2.0, abs=0.26)
    assert pair.second_start == pytest.approx(1.5, abs=0.26)
    assert pair.first_start - pair.second_start == pytest.approx(0.5, abs=0.05)
    assert pair.seconds == pytest.approx(3.0, abs=0.4)


def test_segments_of_one_video_are_compared_by_their_times(write: Write, tmp_path: Path) -> None:
    write("a.mp4", _take(1, 1, 6.0))
    rows = {"video": ["a.mp4"] * 3, "start": [0.0, 2.0, 4.0], "end": [3.0, 4.0, 6.0]}
    manifest = Manifest({**rows, "split": ["train", "test", "valid"]}, root=tmp_path)
    pairs = near_duplicates(manifest).pairs
    assert [(p.first.row, p.second.row) for p in pairs] == [(0, 1)]
    assert pairs[0].first_start == pytest.approx(2.0, abs=0.05)
    # In one split an overlap is what the labels say, and no news.
    assert near_duplicates(manifest.replace(manifest.table.assign(split=None)), between="clips").pairs == []


def test_between_groups_and_merging(write: Write, tmp_path: Path) -> None:
    original = _take(1, 1)
    names = [
        write("b.mp4", original),
        write("a.mp4", original[12:]),
        write("c.mp4", _take(1, 2)),
        write("d.mp4", _take(2, 3)),
    ]
    manifest = Manifest({"video": names, "group": ["p10", "p2", "p3", "p4"]}, root=tmp_path)
    report = near_duplicates(manifest)
    assert report.between == "groups" and report.leaks() == []
    assert report.places == [(0, 1, 2)]
    assert "near-duplicate  b.mp4 = a.mp4: 3.5 s from" in report.text()
    assert "same place, other footage  3 clips: a.mp4, b.mp4, c.mp4" in report.text()
    merged = merge_groups(manifest, report)
    assert merged.table["group"].tolist() == ["p2", "p2", "p3", "p4"]
    assert merged.notes[-1] == "groups: 1 group joined with others for near-duplicates: 4 became 3"
    assert merge_groups(manifest, report, places=True).table["group"].tolist() == ["p2", "p2", "p2", "p4"]
    divided = manifest.replace(manifest.table.assign(split=["train", "test", "test", "test"]))
    assert len(report.leaks(divided)) == 1
    accepted = accept_leaks(divided, report)
    assert accepted.split_by == "content" and "LEAKAGE ALLOWED" in accepted.notes[-1]
    assert accept_leaks(manifest, report).split_by is None


def test_a_clip_without_motion_is_found_by_its_picture_alone(write: Write, tmp_path: Path) -> None:
    names = [
        write("a.mp4", [_scene(1)] * 48),
        write("b.mp4", [_scene(1)] * 48),
        write("c.mp4", [_scene(2)] * 48),
    ]
    black = [np.zeros((120, 160, 3), np.uint8)] * 48
    names += [write("black 1.mp4", black), write("black 2.mp4", black)]
    report = near_duplicates(Manifest({"video": names}, root=tmp_path), between="clips")
    assert [(p.first.name, p.second.name, p.still) for p in report.pairs] == [("a.mp4", "b.mp4", True)]
    assert "nothing moves" in str(report.pairs[0])


def test_what_cannot_be_read_is_listed(write: Write, tmp_path: Path) -> None:
    names = [write("a.mp4", _take(1, 1, 2.0)), write("b.mp4", _take(1, 1, 2.0)), "gone.mp4", "broken.mp4"]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    report = near_duplicates(Manifest({"video": names, "split": ["train", "test"] * 2}, root=tmp_path))
    assert len(report.pairs) == 1
    assert [line.split(":")[0].rsplit("/")[-1] for line in report.problems] == ["broken.mp4", "gone.mp4"]
    assert "  not compared  " in report.text()
    with pytest.raises(DataError, match=r"no video can be decoded; first: .*gone.mp4"):
        near_duplicates(Manifest({"video": ["gone.mp4"]}, root=tmp_path))
    with pytest.raises(UsageError, match="between splits, groups, clips, not 'split'; did you mean 'splits'"):
        near_duplicates(Manifest({"video": ["gone.mp4"]}, root=tmp_path), between="split")


def test_pictures_are_kept_by_content(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.mp4", _take(1, 1, 2.0))
    segments = Manifest({"video": ["a.mp4"]}, root=tmp_path).segments()
    first = fingerprints.fingerprints(segments)[0][0]
    assert first is not None and first.pictures.shape == (16, 16, 16)
    (tmp_path / "a.mp4").rename(tmp_path / "moved.mp4")
    opened: list[object] = []
    monkeypatch.setattr(fingerprints, "open_segment", lambda one: opened.append(one) or open_segment(one))
    moved = Manifest({"video": ["moved.mp4"]}, root=tmp_path).segments()
    again = fingerprints.fingerprints(moved)[0][0]
    assert again is not None and not opened and (again.pictures == first.pictures).all()
    part = Manifest({"video": ["moved.mp4"], "start": [1.0], "end": [2.0]}, root=tmp_path).segments()
    assert len(fingerprints.fingerprints(part)[0][0].times) == 8 and len(opened) == 1  # type: ignore[union-attr]


def test_a_cache_that_cannot_be_written_or_is_damaged_costs_only_time(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.mp4", _take(1, 1, 2.0))
    segments = Manifest({"video": ["a.mp4"]}, root=tmp_path).segments()
    cache = tmp_path / "cache"
    monkeypatch.setenv("KINEMA_CACHE", str(cache))
    first = fingerprints.fingerprints(segments)[0][0]
    (kept,) = cache.rglob("*.npz")
    for damage in (b"", b"PK no archive", kept.read_bytes()[:700]):
        kept.write_bytes(damage)
        again, problems = fingerprints.fingerprints(segments)
        assert problems == [] and (again[0].pictures == first.pictures).all()  # type: ignore[union-attr]
        assert len(kept.read_bytes()) > 4096
    monkeypatch.setenv("KINEMA_CACHE", str(write("file.mp4", _take(1, 1, 0.5)) and tmp_path / "file.mp4"))
    with pytest.warns(UserWarning, match="fingerprints of videos cannot be kept here"):
        again, problems = fingerprints.fingerprints(segments)
    assert problems == [] and (again[0].pictures == first.pictures).all()  # type: ignore[union-attr]


def _ramp() -> Fingerprint:
    """Eight pictures that darken to the right, ever more."""
    row = np.linspace(200, 50, 16)
    pictures = np.stack([np.tile(row - 4 * t * np.arange(16) / 15, (16, 1)) for t in range(8)])
    return Fingerprint(np.arange(8) / 8, pictures.round().astype(np.uint8))


def test_hash_of_the_mirror_image_is_the_mirrored_hash() -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (10, 16, 16)).astype(np.uint8)
    times = np.arange(10) / 8
    plain, mirrored, seen = moment_hashes(Fingerprint(times, pictures))
    again = moment_hashes(Fingerprint(times, np.ascontiguousarray(pictures[:, :, ::-1])))
    assert len(plain) == 8 and seen.all()
    assert bit_count(mirrored ^ again[0]).max() <= 1 and bit_count(plain ^ again[1]).max() <= 1
    assert bit_count(plain ^ mirrored).min() > 12


def test_hashes_ignore_brightness_and_blank_pictures_have_none() -> None:
    ramp = _ramp()
    brighter = Fingerprint(ramp.times, ramp.pictures + np.uint8(30))
    assert (moment_hashes(ramp)[0] == moment_hashes(brighter)[0]).all()
    assert not moment_hashes(Fingerprint(ramp.times, np.full((8, 16, 16), 90, np.uint8)))[2].any()


def test_bits_are_counted() -> None:
    words = np.array([[0, 1], [0xFF00FF, 2**64 - 1]], dtype=np.uint64)
    assert bit_count(words).tolist() == [[0, 1], [16, 64]]


def test_unrelated_noise_is_not_aligned_and_shifted_noise_is() -> None:
    # Noise that changes slowly enough for an eighth of a second to mean something.
    noise = np.random.default_rng(1).normal(128, 40, (60, 16, 16))
    one, other = (np.clip(part, 0, 255).astype(np.uint8) for part in (noise[:30], noise[30:]))
    first, second = Fingerprint(np.arange(30) / 8, one), Fingerprint(np.arange(30) / 8, other)
    assert align(Moments(first), Moments(second)) is None
    late = Fingerprint(np.arange(22) / 8, one[8:])
    found = align(Moments(first), Moments(late))
    assert found is not None and (found.start, found.offset, found.count) == (8, -8, 20)
    assert found.likeness == pytest.approx(1.0)
    assert [
        (c.first, c.second, c.mirrored, c.offsets) for c in propose([first, second, late], [0, 1, 1])
    ] == [(0, 2, False, (-8,))]
    assert propose([first, second, late], [0, 1, 0]) == []


def test_page_shows_each_pair(write: Write, tmp_path: Path) -> None:
    names = [
        write("a & b.mp4", _take(1, 1, 2.0)),
        write("<c>.mp4", _take(1, 1, 2.0)),
        write("d.mp4", _take(1, 2, 2.0)),
    ]
    table = {"video": names, "label": ["x", "y", "x"], "split": ["train", "test", "valid"]}
    report = near_duplicates(Manifest(table, root=tmp_path))
    page = write_leak_page(tmp_path / "leaks.html", report).read_text(encoding="utf-8")
    assert "1 leak: the same footage in different splits" in page
    assert (
        "<strong>a &amp; b.mp4</strong> · train · label x" in page and "&lt;c&gt;.mp4</strong> · test" in page
    )
    assert page.count("data:image/jpeg;base64,") == 5  # two strips; the place with its three clips
    assert "http" not in page and "<script" not in page
    (tmp_path / "<c>.mp4").unlink()
    assert "No picture: " in write_leak_page(tmp_path / "leaks.html", report).read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_false_alarm_among_real_clips_of_fixed_cameras(test_data: Path) -> None:
    for name in ("ut-interaction", "fights"):
        manifest = read_data(test_data / name)
        report = near_duplicates(manifest, between="clips")
        assert len(manifest) == 120 and report.pairs == [] and report.problems == []


def test_real_copies_among_real_clips(test_data: Path, write: Write, tmp_path: Path) -> None:
    sources = sorted((test_data / "ut-interaction" / "pushing").glob("set1_seq0*"))[:8]
    with open_source(sources[3]) as source:
        pictures = [frame.image[:, ::-1] for frame in source.frames()][9:]
    write("copy.mp4", [picture[10:-10, 10:-10] for picture in pictures], 30.0)
    table = {"video": [*map(str, sources), "copy.mp4"], "split": [*["train"] * 8, "test"]}
    report = near_duplicates(Manifest(table, root=tmp_path))
    assert report.problems == []
    assert [(Path(pair.first.name), pair.mirrored) for pair in report.pairs] == [(sources[3], True)]

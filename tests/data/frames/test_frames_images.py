"""Images that cannot be read: found, listed, removed, and gone from the tables."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.data import Manifest, read_data
from kinema.data.frames import check_images, extract_frames, image_fault, remove_images
from kinema.errors import DataError
from kinema.video import VideoWriter


def picture(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture(seed))[1].tobytes())
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_whole_images_have_no_fault(suffix: str, tmp_path: Path) -> None:
    assert image_fault(image(tmp_path / f"a{suffix}")) is None


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize(("suffix", "reason"), [(".jpg", "is cut short"), (".png", "is damaged or no image")])
def test_cut_images(suffix: str, reason: str, share: float, tmp_path: Path) -> None:
    path = image(tmp_path / f"a{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert image_fault(path) == reason


def test_a_preview_inside_does_not_hide_that_the_picture_is_cut(tmp_path: Path) -> None:
    whole = image(tmp_path / "a.jpg").read_bytes()
    segment = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole  # a preview, as cameras put it first
    path = tmp_path / "b.jpg"
    path.write_bytes(whole[:2] + segment + whole[2:])
    assert image_fault(path) is None
    path.write_bytes(whole[:2] + segment + whole[2:-60])
    assert image_fault(path) == "is cut short"


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_text("<html>404</html>")
    assert image_fault(tmp_path / "a.jpg") == "is empty"
    assert image_fault(tmp_path / "b.jpg") == "is damaged or no image"
    assert image_fault(tmp_path / "c.jpg") == "cannot be opened: No such file or directory"


def test_a_whole_tree_in_natural_order(tmp_path: Path) -> None:
    for number in range(1, 130):
        image(tmp_path / "a" / f"f{number}.jpg", number)
    for number in (2, 10, 100):
        (tmp_path / "a" / f"f{number}.jpg").write_bytes(b"")
    (tmp_path / ".frames").mkdir()
    (tmp_path / ".frames" / "x.jpg").write_bytes(b"")
    seen: list[tuple[int, int]] = []
    total, bad = check_images(tmp_path, workers=2, progress=lambda *numbers: seen.append(numbers))
    assert total == 129
    assert [path.path.name for path in bad] == ["f2.jpg", "f10.jpg", "f100.jpg"]
    assert seen == [(64, 129), (128, 129), (129, 129)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        check_images(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder"):
        check_images(tmp_path / "gone")


def test_removing_strikes_them_from_the_tables(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", 10, size=(64, 48)) as out:
        for seed in range(10):
            out.write(picture(seed))
    times = {"start": [0, 0.4, 0.8], "end": [0.4, 0.8, 1.0], "label": ["run", "sit", "run"]}
    extract_frames(Manifest({"video": ["v.mp4"] * 3, **times}, tmp_path), tmp_path / "f")
    for number in (2, 9, 10):
        path = tmp_path / "f" / "v" / f"v_{number:05d}.jpg"
        path.write_bytes(path.read_bytes()[:300])
    total, bad = check_images(tmp_path / "f")
    assert (total, [image.reason for image in bad]) == (10, ["is cut short"] * 3)
    notes = remove_images(tmp_path / "f", bad)
    assert notes == [
        "frames.csv: 7 rows, before 10", "labels.csv: 7 rows, before 10", "manifest.csv: 2 rows, before 3",
    ]  # fmt: skip
    assert len(list((tmp_path / "f" / "v").iterdir())) == 7
    # The second image is gone, so the first clip has three and the next begins one earlier; the third lost both.
    for found in (read_data(tmp_path / "f"), read_data(tmp_path / "f", format="labels.csv", fps=10)):
        assert [(s.start, s.end, s.label) for s in found.segments()] == [
            (0.0, pytest.approx(0.3), "run"),
            (pytest.approx(0.3), pytest.approx(0.7), "sit"),
        ]
    assert check_images(tmp_path / "f")[1] == []
    # The same extraction again makes the video anew, since its images are not all there.
    assert extract_frames(Manifest({"video": ["v.mp4"] * 3, **times}, tmp_path), tmp_path / "f").made == 10


def test_folders_without_tables(tmp_path: Path) -> None:
    image(tmp_path / "run" / "1.jpg")
    (tmp_path / "run" / "2.jpg").write_bytes(b"")
    assert remove_images(tmp_path, check_images(tmp_path)[1]) == []
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["1.jpg"]


def test_real_frames_have_no_fault(test_data: Path) -> None:
    assert check_images(test_data / "seals" / "s28-20", workers=2)[1] == []

"""Pictures in class folders: which there are, how they become frames, and which of them show the same."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.data import split_by_group
from kinema.errors import DataError, KinemaError, UsageError
from kinema.mining.classifier import (
    NONE,
    choose_negatives,
    find_pictures,
    near_pairs,
    picture_hash,
    prepare_pictures,
)
from kinema.mining.classifier.data import picture_manifest, wanted_classes
from kinema.training import Listener
from kinema.video import open_source


def synthetic(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A synthetic picture: soft patches of colour."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def put(path: Path, image: NDArray[np.uint8], quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(
        path.suffix, image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    )
    assert done
    path.write_bytes(data.tobytes())
    return path


def encoded_again(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def test_copies_are_found_however_they_were_changed() -> None:
    picture = synthetic(1)
    changed = [
        encoded_again(picture, 20),
        np.asarray(cv2.resize(picture, (50, 70)), np.uint8),
        np.ascontiguousarray(picture[:, ::-1]),
        np.clip(picture.astype(int) * 0.8 + 40, 0, 255).astype(np.uint8),
        np.ascontiguousarray(picture[2:-2, 3:-3]),
    ]
    hashes = [picture_hash(one) for one in [picture, *changed]]
    assert [pair for pair in near_pairs(hashes) if pair[0] == 0] == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]


def test_unlike_pictures_and_blank_ones_are_no_copies() -> None:
    hashes = [picture_hash(synthetic(seed)) for seed in range(100)]
    assert near_pairs(hashes) == []
    blank = np.full((64, 64, 3), 200, np.uint8)
    assert near_pairs([picture_hash(blank), picture_hash(blank)]) == []
    assert near_pairs([]) == []


def test_more_pictures_than_are_compared_at_a_time() -> None:
    hashes = [picture_hash(synthetic(seed)) for seed in range(300)]
    assert near_pairs([*hashes, hashes[3], hashes[290]]) == [(3, 300), (290, 301)]


def test_folders_say_class_split_and_group(tmp_path: Path) -> None:
    for name in ("kick/2.jpg", "kick/10.jpg", "hug/film7/f1.png", "loose.jpg"):
        put(tmp_path / name, synthetic(0))
    (tmp_path / "kick" / "notes.txt").write_text("x")
    (tmp_path / "kick" / ".hidden.jpg").write_bytes(b"x")
    found, notes = find_pictures(tmp_path)
    assert [(one.name, one.label, one.split, one.group) for one in found] == [
        ("hug/film7/f1.png", "hug", None, "hug/film7"),
        ("kick/2.jpg", "kick", None, None),
        ("kick/10.jpg", "kick", None, None),
    ]
    assert notes[0].startswith("skipped: 1 picture directly in")
    assert notes[1] == "skipped: files that are no pictures (1 .txt)"
    halves = tmp_path / "halves"
    put(halves / "train" / "kick" / "1.jpg", synthetic(1))
    put(halves / "val" / "kick" / "2.jpg", synthetic(2))
    assert [(one.label, one.split) for one in find_pictures(halves)[0]] == [
        ("kick", "train"),
        ("kick", "valid"),
    ]
    put(halves / "kick" / "3.jpg", synthetic(3))
    with pytest.raises(DataError, match="train, valid, test beside folders of classes"):
        find_pictures(halves)


def test_a_table_of_mined_images_names_classes_and_pages(tmp_path: Path) -> None:
    for name in ("a_b/1.jpg", "a_b/2.jpg"):
        put(tmp_path / name, synthetic(0))
    (tmp_path / "images.csv").write_text("path,label,page\na_b/1.jpg,a/b,http://x.test/p\na_b/2.jpg,a/b,\n")
    found, notes = find_pictures(tmp_path)
    assert [(one.label, one.page) for one in found] == [("a/b", "http://x.test/p"), ("a/b", "")]
    assert notes == []


@pytest.mark.parametrize("names", [[], ["loose.jpg"]])
def test_no_pictures(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        put(tmp_path / name, synthetic(0))
    with pytest.raises(
        DataError, match=r"no pictures in class folders; expected CLASS/picture\.jpg below it"
    ):
        find_pictures(tmp_path)
    with pytest.raises(DataError, match="absent: no such folder"):
        find_pictures(tmp_path / "absent")


def test_each_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    put(tmp_path / "in" / "kick" / "a b%d.png", synthetic(4, 40, 60))
    found, _ = find_pictures(tmp_path / "in")
    pictures = prepare_pictures(found, tmp_path / "out")
    assert pictures.frames == [tmp_path / "out" / "kick" / "a b%d.png"]
    with open_source(pictures.frames[0]) as source:
        frames = list(source)
    assert [frame.image.shape for frame in frames] == [(40, 60, 3)]
    assert np.array_equal(frames[0].image, synthetic(4, 40, 60))
    assert prepare_pictures(found, tmp_path / "out").frames == pictures.frames  # again, over what is there


def test_photographs_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    from PIL import Image

    corner = np.zeros((32, 64, 3), np.uint8)
    corner[:16, :16] = (255, 0, 0)  # top left, as it is stored
    # EXIF: 3 turned by a half, 6 to be turned a quarter clockwise, 8 counter-clockwise, 2 a mirror image.
    places = {3: (24, 56), 6: (8, 24), 8: (56, 8), 2: (8, 56)}
    for orientation in places:
        image = Image.fromarray(corner)
        exif = image.getexif()
        exif[0x0112] = orientation
        path = tmp_path / "in" / "kick" / f"{orientation}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=95, exif=exif)
    found, _ = find_pictures(tmp_path / "in")
    pictures = prepare_pictures(found, tmp_path / "out")
    for one, frame in zip(pictures.found, pictures.frames, strict=True):
        orientation = int(one.path.stem)
        with open_source(frame) as source:
            image = next(iter(source)).image
        assert image.shape == ((64, 32, 3) if orientation in (6, 8) else (32, 64, 3))
        row, column = places[orientation]
        assert image[row, column, 0] > 200, orientation
    assert (tmp_path / "in" / "kick" / "6.jpg").read_bytes()[:2] == b"\xff\xd8"
    with Image.open(tmp_path / "in" / "kick" / "6.jpg") as original:
        assert original.size == (64, 32)  # untouched


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    put(tmp_path / "in" / "kick" / "good.jpg", synthetic(5))
    put(tmp_path / "in" / "kick" / "small.png", synthetic(5, 12, 40))
    cut = put(tmp_path / "in" / "kick" / "cut.jpg", synthetic(6)).read_bytes()
    (tmp_path / "in" / "kick" / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "in" / "kick" / "text.jpg").write_text("<html>404</html>")
    found, _ = find_pictures(tmp_path / "in")
    pictures = prepare_pictures(found, tmp_path / "out")
    assert [one.name for one in pictures.found] == ["kick/good.jpg"]
    said = {Path(line.split(":")[0]).name: line.split(": ", 1)[1] for line in pictures.problems}
    assert said == {
        "cut.jpg": "the image is cut short; replace or remove it",
        "small.png": "only 40x12 pixels; left out",
        "text.jpg": "the image is damaged or no image; replace or remove it",
    }
    assert not (tmp_path / "out" / "kick" / "cut.jpg").exists()


def test_a_full_disk_is_no_fault_of_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in" / "kick" / "1.jpg", synthetic(5))
    found, _ = find_pictures(tmp_path / "in")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(KinemaError, match=r"1\.jpg: cannot be written: No space left on device"):
        prepare_pictures(found, tmp_path / "out")


def test_copies_share_a_group_and_so_a_side_of_the_split(tmp_path: Path) -> None:
    for number in range(12):
        for label in ("hug", "kick"):
            seed = number + 100 * (label == "kick")
            put(tmp_path / "in" / label / f"{number}.jpg", synthetic(seed))
            put(tmp_path / "in" / label / f"again-{number}.jpg", synthetic(seed)[:, ::-1], quality=40)
    found, notes = find_pictures(tmp_path / "in")
    manifest = picture_manifest(found, ["hug", "kick"], None, tmp_path / "run", Listener(), notes)
    assert manifest.notes[0] == "48 pictures of 2 classes: hug 24, kick 24"
    assert "48 pictures with near-duplicates" in manifest.notes[1]
    assert len(manifest.groups) == 24
    for seed in range(3):
        table = split_by_group(manifest, seed=seed).table
        number = table["video"].str.extract(r"(\d+)\.jpg$")[0] + table["label"]
        assert (table.groupby(number)["split"].nunique() == 1).all()
        assert set(table["split"]) == {"train", "valid", "test"}


def test_of_copies_across_given_splits_the_held_out_one_stays(tmp_path: Path) -> None:
    for split, seeds in (("train", (1, 2, 3)), ("test", (3, 4))):
        for label in ("hug", "kick"):
            for seed in seeds:
                put(tmp_path / "in" / split / label / f"{seed}.jpg", synthetic(seed + 50 * (label == "kick")))
    found, notes = find_pictures(tmp_path / "in")
    manifest = picture_manifest(found, ["hug", "kick"], None, tmp_path / "run", Listener(), notes)
    assert "2 pictures left out: copies of pictures that are held out" in manifest.notes
    names = sorted(manifest.table["video"].str.removeprefix("pictures/classes/"))
    assert names == [
        "test/hug/3.jpg", "test/hug/4.jpg", "test/kick/3.jpg", "test/kick/4.jpg",
        "train/hug/1.jpg", "train/hug/2.jpg", "train/kick/1.jpg", "train/kick/2.jpg",
    ]  # fmt: skip
    manifest.validate()


def test_one_picture_in_two_classes_is_said(tmp_path: Path) -> None:
    put(tmp_path / "in" / "hug" / "1.jpg", synthetic(1))
    put(tmp_path / "in" / "kick" / "1.jpg", synthetic(1), quality=50)
    found, notes = find_pictures(tmp_path / "in")
    manifest = picture_manifest(found, ["hug", "kick"], None, tmp_path / "run", Listener(), notes)
    assert any("1 pair of near-duplicates in two classes" in note for note in manifest.notes)
    assert len(manifest.groups) == 1


def test_other_pictures_that_show_a_class_are_no_negatives(tmp_path: Path) -> None:
    put(tmp_path / "in" / "hug" / "1.jpg", synthetic(1))
    put(tmp_path / "in" / "kick" / "1.jpg", synthetic(2))
    for seed in (1, 7, 8):
        put(tmp_path / "others" / "deep" / f"{seed}.jpg", synthetic(seed), quality=60)
    found, notes = find_pictures(tmp_path / "in")
    manifest = picture_manifest(
        found, ["hug", "kick"], tmp_path / "others", tmp_path / "run", Listener(), notes
    )
    candidates = manifest.table[manifest.table["candidate"]]
    assert candidates["video"].tolist() == ["pictures/others/deep/7.jpg", "pictures/others/deep/8.jpg"]
    assert set(candidates["label"]) == {NONE}
    assert "1 other picture left out for showing what a picture of a class shows" in manifest.notes


def test_classes_that_are_wanted(tmp_path: Path) -> None:
    for label in ("hug", "kick", "class10", "class2"):
        put(tmp_path / label / "1.jpg", synthetic(1))
    found, _ = find_pictures(tmp_path)
    assert wanted_classes(found, None, tmp_path) == ["class2", "class10", "hug", "kick"]
    assert wanted_classes(found, ["kick", "hug"], tmp_path) == ["hug", "kick"]
    with pytest.raises(UsageError, match="no class 'hugg'; did you mean 'hug'"):
        wanted_classes(found, ["hugg"], tmp_path)


def test_half_of_the_negatives_are_those_most_like_the_classes() -> None:
    rng = np.random.default_rng(0)
    positives = np.concatenate([rng.normal([5, 0], 0.3, (20, 2)), rng.normal([0, 5], 0.3, (20, 2))])
    easy = rng.normal([-5, -5], 0.5, (96, 2))
    hard = np.array([[3.2, 0.2], [0.1, 3.1], [2.8, -0.3], [-0.2, 3.4]])
    candidates = np.concatenate([easy[:50], hard, easy[50:]])
    chosen = choose_negatives(positives, [0] * 20 + [1] * 20, candidates, 20, seed=3)
    assert len(chosen) == len(set(chosen)) == 20
    assert {50, 51, 52, 53} <= set(chosen)
    assert chosen == choose_negatives(positives, [0] * 20 + [1] * 20, candidates, 20, seed=3)
    assert choose_negatives(positives, [0] * 20 + [1] * 20, candidates, 500) == list(range(100))
    assert len(choose_negatives(positives[:0], [], candidates, 6)) == 6
    assert choose_negatives(positives, [0] * 20 + [1] * 20, candidates[:0], 6) == []

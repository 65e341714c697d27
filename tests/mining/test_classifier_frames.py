"""Pictures that are frames of videos: those of one source stand on one side of every split, or accuracies mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.data import read_data
from kinema.data.frames import FrameSettings, extract_frames
from kinema.mining.classifier import NONE, find_pictures
from kinema.video import VideoWriter


def test_frames_of_one_video_are_one_group(tmp_path: Path) -> None:
    names = ["hug/a_00001.jpg", "hug/a_00002.jpg", "hug/b_00001.jpg", "hug/photo.jpg"]
    names += [
        "kick/set1_seq04_20_2_00001.jpg",
        "kick/set1_seq04_20_2_00002.jpg",
        "kick/set1_seq05_7_2_00001.jpg",
    ]
    names += ["sit/n01440764_10026.jpg", "sit/n01440764_10027.jpg", "walk/set1_seq04_21_3/1.jpg"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture; it is not opened")
    found, notes = find_pictures(tmp_path)
    assert {one.name: one.group for one in found} == dict(
        zip(
            names,
            [
                "hug/a", "hug/a", "hug/b", None,
                "set1_seq04", "set1_seq04", "set1_seq05",  # sequences of UT-Interaction, where all six actions are seen
                None, None, "set1_seq04",
            ],
            strict=True,
        )
    )  # fmt: skip
    assert notes == ["groups: 6 frames of 4 sources by their names, VIDEO_00001"]
    alone, _ = find_pictures(tmp_path / "hug", NONE)
    assert [one.group for one in alone] == ["none of these/a", "none of these/a", "none of these/b", None]


@pytest.mark.parametrize("layout", ["class", "video"])
def test_frames_that_kinema_wrote_keep_their_class_group_and_split(layout: str, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    for label, colour in (("hug", 40), ("kick", 90)):
        for number in (1, 2):
            for take in "ab":
                (videos / label).mkdir(parents=True, exist_ok=True)
                with VideoWriter(videos / label / f"person0{number}_{label}_{take}.mp4", 10) as out:
                    for shade in range(6):
                        out.write(np.full((48, 64, 3), colour + 20 * shade, np.uint8))
    manifest = read_data(videos)
    manifest = manifest.replace(
        manifest.table.assign(
            split=["train" if "person01" in name else "test" for name in manifest.table["video"]]
        )
    )
    extract_frames(manifest, tmp_path / "frames", FrameSettings(per_video=3, layout=layout))
    found, notes = find_pictures(tmp_path / "frames")
    assert notes == []
    told = {(one.label, one.split, one.group) for one in found}
    assert len(found) == 24
    assert told == {
        (label, split, group)
        for label in ("hug", "kick")
        for split, group in (("train", "person01"), ("test", "person02"))
    }

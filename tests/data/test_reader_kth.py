"""KTH: ranges of frames become segments, the official subjects the splits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError
from kinema.video import open_source

Touch = Callable[..., Path]
SUBJECTS = (
    "Training:   person11, 12\r\n"
    "Validation: person19, 01\r\n"
    "Test:       person22, 02 \r\n\r\n"
)  # fmt: skip


def _times(manifest: Manifest) -> list[list[object]]:
    return manifest.table[["start", "end", "label", "split", "group"]].values.tolist()


def test_ranges_become_seconds(tmp_path: Path, touch: Touch) -> None:
    touch("boxing/person01_boxing_d1_uncomp.avi", "person11_walking_d4_uncomp.avi")
    (tmp_path / "00sequences.txt").write_bytes(
        (
            "\ufeff" + SUBJECTS + "person01_boxing_d1\t\tframes\t1-95, 96-185 \r\n"
            "person02_boxing_d1    \tframes\t1-100\r\nperson13_handclapping_d3\t*missing*\r\n"
            "person11_walking_d4 frames 51-75\r\n"
        ).encode()
    )
    manifest = read_data(tmp_path)
    assert manifest.source_format == "KTH"
    # Frames 1 to 95 at 25 a second last from 0 to 95 / 25 = 3.8 s; 51 to 75 from 50 / 25 to 75 / 25.
    assert _times(manifest) == [
        [0.0, 3.8, "boxing", "valid", "person01"],
        [3.8, 7.4, "boxing", "valid", "person01"],
        [2.0, 3.0, "walking", "train", "person11"],
    ]
    assert manifest.table[["subject", "scenario"]].values.tolist() == [
        ["person01", "d1"],
        ["person01", "d1"],
        ["person11", "d4"],
    ]
    assert manifest.notes == [
        "KTH: 3 segments of 2 videos; 3 videos listed",
        "absent: 1 listed video; some of boxing (1): person02_boxing_d1_uncomp.avi",
        "the list itself says that 1 video never existed: person13_handclapping_d3",
        "groups: the subject",
        "2 videos cannot be opened, the ranges are as listed: person01_boxing_d1, person11_walking_d4",
    ]


def test_overlaps_and_ranges_past_the_end(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    make_video("person22_jogging_d2_uncomp.mp4", frames=10)
    (tmp_path / "00sequences.txt").write_text(
        SUBJECTS + "person22_jogging_d2 frames 5-6, 1-4, 3-6, 6-8, 9-20, 11-12, 30-40\n"
    )
    manifest = read_data(tmp_path)
    # In order of time: 1-4; 3-6 is left 5-6; 5-6 is left nothing; 6-8 is left 7-8; 9-20 ends at 10.
    assert manifest.table[["start", "end"]].values.tolist() == [
        [0, 0.16],
        [0.16, 0.24],
        [0.24, 0.32],
        [0.32, 0.4],
    ]
    notes = "\n".join(manifest.notes)
    where = "person22_jogging_d2 {} (line 5)"
    assert (
        "3 ranges overlapping an earlier one, begun after it or left out: "
        + ", ".join(where.format(part) for part in ("3-6", "5-6", "6-8"))
    ) in notes
    assert f"1 range past the end of the video, cut there: {where.format('9-20')} at 10" in notes
    beyond = [f"{where.format(part)} of 10" for part in ("11-12", "30-40")]
    assert f"2 ranges wholly past the end of the video, left out: {', '.join(beyond)}" in notes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("person01_boxing_d1 frames 1-95, 90", r"00sequences\.txt: line 5: '90' is not a range of frames"),
        ("person01_boxing_d1 frames 95-1", r"line 5: the range 95-1 ends before it starts"),
        ("person01_boxing_d1 frames 0-10", r"line 5: the range 0-10 starts before frame 1"),
        ("person01_boxing_d1 frames -3-10", r"line 5: the range -3-10 starts before frame 1"),
        ("person01_boxing frames 1-10", r"line 5 is not 'personNN_ACTION_dM frames FIRST-LAST"),
        ("person01_boxing_d1 frames 1-10\nperson01_boxing_d1 frames 1-10", r"line 6: .* is in line 5 too; remove one"),
        ("Test: person12", r"line 5: the subject 12 is in another split too"),
        ("", r"no line 'personNN_ACTION_dM frames 1-95"),
        ("person02_boxing_d1 frames 1-10", r"none of the 1 listed videos is among the 1 video in "),
    ],
)  # fmt: skip
def test_bad_lists(tmp_path: Path, touch: Touch, line: str, message: str) -> None:
    touch("person01_boxing_d1_uncomp.avi")
    (tmp_path / "00sequences.txt").write_bytes((SUBJECTS + line + "\r\n").encode())
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_without_the_list(touch: Touch) -> None:
    root = touch("running/person25_running_d3_uncomp.avi", "boxing/person09_boxing_d1_uncomp.avi")
    manifest = read_data(root)
    assert manifest.source_format == "KTH"
    assert manifest.table[["label", "split", "group"]].values.tolist() == [
        ["boxing", "test", "person09"],
        ["running", "valid", "person25"],
    ]
    assert manifest.table[["start", "end"]].isna().all(axis=None)
    assert "00sequences.txt is absent: each video is one segment" in "\n".join(manifest.notes)


def test_a_list_without_its_subjects(tmp_path: Path, touch: Touch) -> None:
    touch("person25_running_d3_uncomp.avi", "person26_running_d3_uncomp.avi")
    (tmp_path / "00sequences.txt").write_text(
        "person25_running_d3 frames 1-9\nperson26_running_d3 frames 1-9\n"
    )
    manifest = read_data(tmp_path / "00sequences.txt")
    assert manifest.table["split"].tolist() == ["valid", None]
    assert (
        "00sequences.txt has lost the subjects of the splits; those of Schuldt et al. 2004 are used"
        in manifest.notes
    )
    assert "in no split, being in no list of subjects: person26" in manifest.notes


def test_real_videos_have_the_listed_frames(test_data: Path) -> None:
    manifest = read_data(test_data / "kth")
    assert manifest.table.groupby("video")["split"].first().to_dict() == {
        "person09_running_d1_uncomp.avi": "test",
        "person14_walking_d2_uncomp.avi": "train",
        "person21_boxing_d1_uncomp.avi": "valid",
    }
    second = manifest.segments()[1]  # "person09_running_d1 frames 1-36, 100-134, ..."
    with open_source(second.video) as source:
        indices = [frame.index for frame in source.frames(start=second.start or 0, end=second.end)]
    assert (indices[0], indices[-1], len(indices)) == (99, 133, 35)
    assert "absent: 596 listed videos" in manifest.notes[1]
    assert manifest.notes[2] == "the list itself says that 1 video never existed: person13_handclapping_d3"


def test_the_official_list_whole(tmp_path: Path, touch: Touch, test_data: Path) -> None:
    names = [
        f"person{subject:02d}_{action}_d{scenario}_uncomp.avi"
        for subject in range(1, 26)
        for action in ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
        for scenario in range(1, 5)
    ]
    touch(*names)
    shutil.copy(test_data / "kth" / "00sequences.txt", tmp_path)
    manifest = read_data(tmp_path)
    # "2391 sequences" and the 863 of the test subjects are those of Schuldt et al. 2004.
    assert manifest.table["split"].value_counts().to_dict() == {"train": 760, "valid": 768, "test": 863}
    assert manifest.divided("group") == []
    overlaps = next(note for note in manifest.notes if "overlap" in note)
    # Seven slips of the published list; the first frame of each is what it must have meant.
    assert (
        overlaps.startswith("7 ranges overlapping")
        and "person16_handwaving_d4 212-456 (line 408)" in overlaps
    )
    slip = manifest.table[manifest.table["video"] == "person16_handwaving_d4_uncomp.avi"]
    assert slip["start"].tolist() == [0, 104 / 25, 206 / 25, 311 / 25]
    assert "skipped: 1 video that no list names: person13_handclapping_d3_uncomp.avi" in manifest.notes

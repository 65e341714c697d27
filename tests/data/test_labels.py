"""Time ranges to labels of frames and back, to the frame."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kinema.data import Manifest, read_data
from kinema.data.clock import seconds_of
from kinema.data.frame_names import frame_folders, frame_name, frame_number
from kinema.data.labels import (
    frame_labels_of,
    frames_until,
    last_frames,
    read_ranges,
    segments_of,
    timestamps_of,
)
from kinema.errors import DataError, UsageError
from kinema.video import open_source


def _manifest(*rows: tuple[Any, ...], **more: list[Any]) -> Manifest:
    columns = ["video", "start", "end", "label"]
    return Manifest(pd.DataFrame(rows, columns=columns, dtype=object).assign(**more))


def _labels(table: pd.DataFrame, video: str = "v") -> str:
    """The labels of a video's frames in a row, and a dash for a number that is missing."""
    mine = table[table["video"] == video]
    found = {
        frame_number(frame, video): label for frame, label in zip(mine["frame"], mine["label"], strict=True)
    }
    return "".join(found.get(number, "-") for number in range(1, max(found) + 1))


def test_each_frame_has_the_label_of_its_range() -> None:
    table = frame_labels_of(_manifest(("v.mp4", 0.2, 0.6, "a"), ("v.mp4", 0.6, 1.0, "b")), fps=5)
    # Frames 0 to 4 show seconds 0, 0.2, 0.4, 0.6 and 0.8; S4 counts them from 1.
    assert table.values.tolist() == [
        ["v", "v_00002.jpg", "a"], ["v", "v_00003.jpg", "a"], ["v", "v_00004.jpg", "b"], ["v", "v_00005.jpg", "b"],
    ]  # fmt: skip
    assert table.attrs["notes"] == [
        "4 frames of 1 video labelled at 5 frames a second",
        "1 frame in no range, without a row; background labels them",
    ]


def test_s4_hours_are_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "video,time_start,time_end,label\nlong.mp4,01:00:00,01:00:02,late\nlong.mp4,00:00:00,00:00:02,early\n"
    )
    table = frame_labels_of(read_ranges(tmp_path / "t.csv"), fps=1)
    assert table["frame"].tolist() == ["long_00001.jpg", "long_00002.jpg", "long_03601.jpg", "long_03602.jpg"]
    assert table["label"].tolist() == ["early", "early", "late", "late"]
    assert timestamps_of(segments_of(table, fps=1)).values.tolist() == [
        ["long", "00:00:00", "00:00:02", "early"], ["long", "01:00:00", "01:00:02", "late"],
    ]  # fmt: skip


def test_more_digits_when_they_are_needed() -> None:
    table = frame_labels_of(_manifest(("v.mp4", 3999.92, 4000.04, "a")), fps=25)
    assert table["frame"].tolist() == ["v_99999.jpg", "v_100000.jpg", "v_100001.jpg"]
    assert frame_name("folder/v", 0) == "v_00001.jpg"


def test_background_fills_the_gaps_up_to_the_end_of_the_video() -> None:
    ranges = _manifest(("v.mp4", 0.4, 0.8, "a"), ("v.mp4", 1.0, 1.2, "b"), ("w.mp4", 0.2, 0.4, "a"))
    table = frame_labels_of(ranges, fps=5, background="o", lengths={"v.mp4": 1.96})
    assert _labels(table, "v") == "ooaaobooo" + "o"  # frames at 0, 0.2 … 1.8 s
    assert _labels(table, "w") == "oa"
    assert (
        "1 video of unknown length, labelled up to the end of the last range: w.mp4" in table.attrs["notes"]
    )


def test_overlaps_are_an_error_that_names_both_ranges() -> None:
    ranges = _manifest(("v.mp4", 0, 1, "a"), ("v.mp4", 0.6, 1.4, "b"), ("v.mp4", 1.4, 2, "a"))
    with pytest.raises(
        DataError,
        match=r"overlap: row 1 'a' and row 2 'b' of v\.mp4, 00:00:00\.6 to 00:00:01; correct the times",
    ):
        frame_labels_of(ranges, fps=5)
    assert _labels(frame_labels_of(ranges, fps=5, overlap="first")) == "aaaaabbaaa"
    table = frame_labels_of(ranges, fps=5, overlap="last")
    assert _labels(table) == "aaabbbbaaa"
    assert table.attrs["notes"][1].startswith("1 overlap, the last range wins: row 1 'a' and row 2 'b'")
    with pytest.raises(UsageError, match="overlap must be one of error, first, last, not 'both'"):
        frame_labels_of(ranges, fps=5, overlap="both")


def test_first_and_last_go_by_the_table_not_by_time() -> None:
    ranges = _manifest(("v.mp4", 0.6, 1.4, "b"), ("v.mp4", 0, 1, "a"))
    assert _labels(frame_labels_of(ranges, fps=5, overlap="first")) == "aaabbbb"
    assert _labels(frame_labels_of(ranges, fps=5, overlap="last")) == "aaaaabb"


def test_equal_labels_may_overlap_and_touching_ranges_do_not() -> None:
    ranges = _manifest(("v.mp4", 0, 1, "a"), ("v.mp4", 0.5, 1.2, "a"), ("v.mp4", 1.2, 1.4, "b"))
    assert _labels(frame_labels_of(ranges, fps=10)) == "aaaaaaaaaaaabb"


def test_ranges_without_a_frame_are_named() -> None:
    ranges = _manifest(("v.mp4", 0, 1, "a"), ("v.mp4", 1.05, 1.15, "b"))
    table = frame_labels_of(ranges, fps=5)
    assert "1 range without a frame at 5 a second: row 2 (1.05 to 1.15 s)" in table.attrs["notes"]
    with pytest.raises(
        DataError, match=r"no frame gets a label at 5 frames a second; 1 range without a frame"
    ):
        frame_labels_of(_manifest(("v.mp4", 1.05, 1.15, "b")), fps=5)


def test_whole_videos_need_their_length() -> None:
    ranges = _manifest(("v.mp4", None, None, "a"), ("w.mp4", 0.4, None, "b"))
    table = frame_labels_of(ranges, fps=5, lengths={"v.mp4": 0.5, "w.mp4": 0.9})
    assert (_labels(table, "v"), _labels(table, "w")) == ("aaa", "--bbb")
    with pytest.raises(DataError, match=r"row 1 lasts to the end of 'v\.mp4', whose length is not known"):
        frame_labels_of(ranges, fps=5)


def test_bad_rates_and_labels() -> None:
    ranges = _manifest(("v.mp4", 0, 1, "a"), ("v.mp4", 1, 2, None))
    for fps in (0, -5, math.nan, math.inf):
        with pytest.raises(UsageError, match="fps must be a positive number"):
            frame_labels_of(ranges, fps=fps)
    with pytest.raises(DataError, match="row 2 has no label"):
        frame_labels_of(ranges, fps=5)


def test_splits_go_with_the_frames_and_back() -> None:
    ranges = _manifest(("v.mp4", 0, 0.4, "a"), ("w.mp4", 0.2, 0.4, "a"), split=["train", "test"])
    table = frame_labels_of(ranges, fps=5, background="o")
    assert table.values.tolist() == [
        ["v", "v_00001.jpg", "a", "train"], ["v", "v_00002.jpg", "a", "train"],
        ["w", "w_00001.jpg", "o", "test"], ["w", "w_00002.jpg", "a", "test"],
    ]  # fmt: skip
    back = segments_of(table, fps=5, background="o").table[["video", "start", "end", "label", "split"]]
    assert back.values.tolist() == [["v", 0.0, 0.4, "a", "train"], ["w", 0.2, 0.4, "a", "test"]]


@pytest.mark.parametrize("fps", [1, 5, 12.5, 24000 / 1001, 25, 29.97, 30, 60, 120])
def test_there_and_back_is_exact_to_one_frame(fps: float) -> None:
    chance = random.Random(7)
    rows, time = [], 3600.0
    for number in range(60):
        start = time + chance.choice([0, chance.uniform(0, 3)])
        # At least a frame long, and no neighbour of the same label, so that every range comes back.
        time = start + chance.uniform(1.01, 50) / fps
        rows.append(("v.mp4", round(start, 3), round(time, 3), "abc"[number % 3]))
    table = frame_labels_of(_manifest(*rows), fps)
    back = segments_of(table, fps).table
    assert back["label"].tolist() == [label for *_, label in rows]
    for start, end, (_, first, last, _) in zip(back["start"], back["end"], rows, strict=True):
        assert 0 <= start - first + 0.0021 < 1 / fps + 0.0021
        assert 0 <= end - last + 0.0021 < 1 / fps + 0.0021
    # Times on the grid of frames come back as they were, and written as text too.
    texts = timestamps_of(segments_of(table, fps))
    again = _manifest(
        *[("v.mp4", seconds_of(a), seconds_of(b), label) for _, a, b, label in texts.values.tolist()]
    )
    assert frame_labels_of(again, fps).values.tolist() == table.values.tolist()


def _frames(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["video", "frame", "label"])


def test_frames_to_segments_names_what_is_odd() -> None:
    numbers = [1, 2, 2, 3, 4, 6, 7, 8, 8]
    labels = ["a", "a", "a", "b", "b", "b", "b", "b", "a"]
    table = _frames(*[("v2", f"v2-{n:03d}.jpeg", label) for n, label in zip(numbers, labels, strict=True)])
    found = segments_of(table, fps=10)
    assert found.table[["start", "end", "label", "frames"]].values.tolist() == [
        [0.0, 0.2, "a", 2], [0.2, 0.4, "b", 2], [0.5, 0.7, "b", 2],
    ]  # fmt: skip
    assert found.notes[:4] == [
        "9 labelled frames of 1 video became 3 ranges at 10 frames a second",
        "1 row repeated, used once",
        "1 frame with two labels or splits, left out: v2 8",
        "1 gap in the numbers of frames, where a range ends: v2 5",
    ]


def test_numbers_from_0_and_names_without_numbers() -> None:
    table = _frames(("v", "0.jpg", "a"), ("v", "1.jpg", "a"), ("w", "w_2.jpg", "a"))
    assert segments_of(table, fps=10).table[["start", "end"]].values.tolist() == [[0.0, 0.2], [0.1, 0.2]]
    with pytest.raises(DataError, match=r"frame 'v1_last\.jpg' of 'v1' has no number in its name"):
        segments_of(_frames(("v1", "v1_last.jpg", "a")), fps=10)


def test_timestamps_need_an_end_and_a_label() -> None:
    with pytest.raises(DataError, match="row 1 has no end; timestamps need one"):
        timestamps_of(_manifest(("v.mp4", 0, None, "a")))
    with pytest.raises(DataError, match="row 1 has no label; timestamps need one"):
        timestamps_of(_manifest(("v.mp4", 0, 1, None)))


def test_folders_of_equal_names() -> None:
    videos = ["a/01.mp4", "b/01.avi", "b/v1.2.mp4", "x\\c\\03.mp4", "y/c/03.mp4"]
    assert frame_folders(videos) == {
        "a/01.mp4": "a_01", "b/01.avi": "b_01", "b/v1.2.mp4": "v1.2", "x\\c\\03.mp4": "x_c_03", "y/c/03.mp4": "y_c_03",
    }  # fmt: skip
    with_both = frame_labels_of(_manifest(("a/01.mp4", 0, 1, "x"), ("b/01.mp4", 0, 1, "y")), fps=1)
    assert with_both.values.tolist() == [["a_01", "a_01_00001.jpg", "x"], ["b_01", "b_01_00001.jpg", "y"]]


def test_ranges_without_their_videos_and_with(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    (tmp_path / "lists/mine").mkdir(parents=True)
    table = tmp_path / "lists/mine/t.csv"
    table.write_text("video,time_start,time_end,label\nv.mp4,1,9,a\n")
    found = read_ranges(table)
    assert found.table[["video", "end"]].values.tolist() == [["v.mp4", 9.0]]
    assert "none of the videos is there: the times are not checked against their lengths" in found.notes
    make_video("films/v.mp4", frames=30)  # 3 s at 10 frames a second
    found = read_ranges(table, videos=tmp_path / "films")
    assert last_frames(found) == {"v.mp4": pytest.approx(2.9, abs=1e-3)}
    assert len(frame_labels_of(found, 10, background="o", lengths=last_frames(found))) == 30
    with pytest.raises(DataError, match="none of the 1 named video is in"):
        read_ranges(table, videos=tmp_path / "lists")


def test_labelled_frames_are_the_frames_that_a_video_gives(test_data: Path) -> None:
    manifest = read_data(test_data / "falls/annotations").filter(
        where="video.str.contains('subject4_02|subject2_14')"
    )
    lengths = last_frames(manifest)
    assert lengths["fall/subject2_14.mp4"] == pytest.approx(
        11.1681, abs=1e-4
    )  # the last stamp of its packets
    for fps in (5.0, 12.0):
        table = frame_labels_of(manifest, fps, background="o", overlap="last", lengths=lengths)
        labelled = table.groupby("video").size().to_dict()
        for video in lengths:
            with open_source(manifest.video_path(video), threads=1) as source:
                given = sum(1 for _ in source.frames(fps=fps, size=(16, 16)))
            assert labelled[Path(video).stem] == given, (video, fps)


def test_frames_until() -> None:
    assert [frames_until(9.96, 25), frames_until(9.96, 5), frames_until(0.0, 30), frames_until(2.9, 10)] == [
        250, 50, 1, 30,
    ]  # fmt: skip


def test_real_frame_labels_there_and_back(test_data: Path) -> None:
    from kinema.data.readers.labels_csv import frame_table

    table = frame_table(test_data / "seals")
    found = segments_of(table, fps=25)
    assert len(found) == 15  # as many as the labels.csv reader finds in the frames themselves
    back = frame_labels_of(found, fps=25)
    assert back["label"].tolist() == table["label"].tolist()
    numbers = [frame_number(name, video) for name, video in zip(table["frame"], table["video"], strict=True)]
    assert [frame_number(name) for name in back["frame"]] == numbers

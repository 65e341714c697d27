"""Tables of time ranges: S4's and GMDCSA24's; what cannot be used is named with its file and line."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest, check, read_data
from kinema.data.readers.gmdcsa24 import ranges_of
from kinema.data.readers.video_names import plain_name
from kinema.errors import DataError, UsageError

MakeVideo = Callable[..., Path]
HEADER = "video,time_start,time_end,label\n"


@pytest.fixture
def clip(make_video: MakeVideo, tmp_path: Path) -> Callable[..., Path]:
    """Copies of one synthetic video of 3.0 s, since nothing here looks at pictures."""
    one = make_video("made/one.mp4", frames=30)

    def place(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one, tmp_path / name)
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
        return tmp_path

    return place


def _rows(manifest: Manifest, *columns: str) -> list[list[object]]:
    return manifest.table[list(columns or ("video", "start", "end", "label"))].values.tolist()


def _notes(manifest: Manifest) -> str:
    return "\n".join(manifest.notes)


def test_times_in_all_three_forms(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    (tmp_path / "t.csv").write_text(
        HEADER + "v.mp4,00:00:00,00:00:01.25,a\nv,0:01.5,2,b\nv.mp4,2.25,0:2.75,a\n"
    )
    manifest = read_data(tmp_path / "t.csv")
    assert manifest.source_format == "timestamps"
    assert _rows(manifest) == [
        ["v.mp4", 0.0, 1.25, "a"],
        ["v.mp4", 1.5, 2.0, "b"],
        ["v.mp4", 2.25, 2.75, "a"],
    ]
    assert manifest.table["origin"].tolist() == ["t.csv line 2", "t.csv line 3", "t.csv line 4"]
    assert manifest.notes[0] == "3 ranges of 1 video, of the 3 given of 2 names"


def test_hours_are_kept(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "v,00:00:01,00:00:02,a\nv,01:00:01,01:00:02,b\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["v.mp4", 1.0, 2.0, "a"]]
    assert "t.csv line 3: starts at 3601 s, the video ends at 3.00 s" in _notes(manifest)


def test_bad_rows_are_listed_with_their_lines(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    bad = [
        "v,1,1,a", "v,2,1,a", "v,-1,2,a", "v,nan,2,a", "v,,2,a", "v,0,1,", ",0,1,a", "v,00:00:61,2,a",
        "v,5,6,a", "v,0,1,good", "v,00:00:00,00:00:01.0,good",
    ]  # fmt: skip
    (tmp_path / "t.csv").write_text(HEADER + "v,0,1,good\n" + "\n".join(bad) + "\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["v.mp4", 0.0, 1.0, "good"]]
    (note,) = [note for note in manifest.notes if note.startswith("left out")]
    assert note.startswith("left out: 11 ranges that cannot be used: ")
    for told in (
        "t.csv line 3: start and end are both 1; the range has no length",
        "t.csv line 4: the end 1 is before the start 2; swap or correct the times",
        "t.csv line 5: start: '-1' is negative; times count from the start of the video",
        "t.csv line 6: start: 'nan' is no time; write HH:MM:SS, MM:SS or seconds",
        "t.csv line 7: start: no time is given",
        "t.csv line 8: the label is empty",
        "t.csv line 9: no video is named",
        "t.csv line 10: start: '00:00:61' has 61 seconds beside minutes",
    ):
        assert told in note
    assert note.endswith(" and 3 more")


def test_a_list_without_a_usable_row_is_refused(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "v,2,1,a\nv,1,9x,a\n")
    with pytest.raises(
        DataError, match=r"t\.csv: no usable time range: t\.csv line 2: the end 1 is before the start 2"
    ):
        read_data(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"t\.csv: no labelled time range is in it"):
        read_data(tmp_path / "t.csv")


def test_a_range_past_the_end_is_cut_and_a_long_one_named(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "v,1,3.5,a\nv,2,9,b\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["v.mp4", 1.0, 3.0, "a"], ["v.mp4", 2.0, 3.0, "b"]]
    assert "2 ranges ended past the end of the video, cut there" in _notes(manifest)
    assert "look again: t.csv line 3 (ends 6.0 s past v)" in _notes(manifest)
    assert not check(manifest).bad


def test_names_as_people_write_them(clip: Callable[..., Path], tmp_path: Path) -> None:
    accented = unicodedata.normalize("NFD", "Öl kännchen.mp4")
    clip("clips/a b.mp4", f"clips/{accented}", "clips/deep/C.MP4", "clips/v1.2.mp4", "clips/d.mp4", "e f.mp4")
    rows = [
        "clips\\a b.mp4,0,1,x", "a b,0,1,y", unicodedata.normalize("NFC", "Öl kännchen") + ",0,1,x",
        "deep\\c.mp4,0,1,x", "v1.2,0,1,x", "D:\\films\\D.mp4,1,2,x", "file:///home/me/e%20f.mp4,1,2,x", "c.avi,2,3,x",
    ]  # fmt: skip
    (tmp_path / "t.csv").write_bytes(("\ufeff" + HEADER + "\n".join(rows)).replace("\n", " \r\n").encode())
    manifest = read_data(tmp_path / "t.csv")
    assert [video for video, *_ in _rows(manifest)] == [
        "clips/a b.mp4", "clips/a b.mp4", f"clips/{accented}", "clips/deep/C.MP4", "clips/v1.2.mp4",
        "clips/d.mp4", "e f.mp4", "clips/deep/C.MP4",
    ]  # fmt: skip
    assert plain_name("file:///C:/x/y.mp4") == "C:/x/y.mp4"


def test_labels_with_commas_slashes_and_letters_of_all_scripts(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip("v.mp4")
    (tmp_path / "t.csv").write_text(
        HEADER + 'v,0,1,"walk, slow"\nv,1,2, a/b \nv,2,3,падение\n', encoding="utf-8"
    )
    assert read_data(tmp_path / "t.csv").classes == ["a/b", "walk, slow", "падение"]


def test_the_same_name_in_two_folders(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("run/01.mp4", "sit/01.mp4", "run/02.mp4")
    (tmp_path / "t.csv").write_text(
        HEADER + "run/01.mp4,0,1,a\nsit/01,0,1,b\n01.mp4,0,1,c\nsit/02.mp4,0,1,d\n"
    )
    manifest = read_data(tmp_path / "t.csv")
    # run/02.mp4 is not the video that sit/02.mp4 names: there is a folder sit, and it lacks one.
    assert _rows(manifest) == [["run/01.mp4", 0.0, 1.0, "a"], ["sit/01.mp4", 0.0, 1.0, "b"]]
    assert "01.mp4 ('01.mp4' may be run/01.mp4, sit/01.mp4; write the folder too)" in _notes(manifest)


def test_a_folder_that_is_nowhere_is_passed_over(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("run/01.mp4", "run/02.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "recordings/01.mp4,0,1,a\nold/run/02.mp4,0,1,b\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["run/01.mp4", 0.0, 1.0, "a"], ["run/02.mp4", 0.0, 1.0, "b"]]
    assert "2 videos found by file name alone, in another folder than named" in _notes(manifest)


def test_daily_life_is_never_taken_for_the_fall_of_that_number(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip("adl/subject3_07.mp4", "fall/subject3_13.mp4")
    (tmp_path / "Subject3_Fall.csv").write_text(
        "File Name,Length (seconds), Classes\n07.mp4,2,Falling (BW)[0 to 1]\n13.mp4,2,Falling (FW)[0 to 1]\n"
    )
    manifest = read_data(tmp_path / "Subject3_Fall.csv")
    assert _rows(manifest) == [["fall/subject3_13.mp4", 0.0, 1.0, "Falling (FW)"]]


def test_a_folder_that_disagrees_is_no_match_where_the_list_has_that_name_twice(
    clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip("fall/subject1_13.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "adl/subject1_13.mp4,0,1,a\nfall/subject1_13.mp4,0,1,b\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["fall/subject1_13.mp4", 0.0, 1.0, "b"]]
    assert "missing: 1 video not in" in _notes(manifest)
    assert _notes(manifest).count("adl/subject1_13.mp4") == 1


def test_missing_videos_are_listed_unless_all_are(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("films/v.mp4")
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists/t.csv"
    table.write_text(HEADER + "v,0,1,a\ngone,0,1,a\nlost,0,1,a\n")
    manifest = read_data(table)
    assert _rows(manifest) == [["films/v.mp4", 0.0, 1.0, "a"]]
    assert manifest.segments()[0].video == tmp_path / "films/v.mp4"
    assert f"missing: 2 videos not in {tmp_path}/lists/, {tmp_path}/: gone, lost" in manifest.notes
    assert _rows(read_data(table, videos=tmp_path / "films"), "video") == [["v.mp4"]]
    table.write_text(HEADER + "gone,0,1,a\nlost,0,1,a\n")
    with pytest.raises(
        DataError, match=r"t\.csv: none of the 2 named videos is in .*: gone, lost; name their folder"
    ):
        read_data(table)
    assert _rows(read_data(table, keep_missing=True), "video", "end") == [["gone", 1.0], ["lost", 1.0]]
    with pytest.raises(UsageError, match="nowhere: no such folder; name the folder of the videos"):
        read_data(table, videos=tmp_path / "nowhere")


def test_a_video_that_cannot_be_opened_is_left_out(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4")
    (tmp_path / "bad.mp4").write_text("no video\n" * 100)
    (tmp_path / "t.csv").write_text(HEADER + "v,0,1,a\nbad,0,1,a\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest, "video") == [["v.mp4"]]
    assert "left out: 1 video that cannot be used: bad (" in _notes(manifest)


def test_splits_groups_and_other_columns_are_kept(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4", "w.mp4")
    text = "video;time_start;time_end;label;split;group;by\nv;0;1,5;a;train;g1;Ann\nw;0;1;a;val;;Bo\n"
    (tmp_path / "t.csv").write_text(text)
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest, "video", "end", "split", "group", "by") == [
        ["v.mp4", 1.5, "train", "g1", "Ann"], ["w.mp4", 1.0, "valid", "w", "Bo"],
    ]  # fmt: skip


def test_a_folder_of_tables(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4", "w.mp4")
    (tmp_path / "1.csv").write_text(HEADER + "v,0,1,a\n")
    (tmp_path / "2.csv").write_text(HEADER + "w,0,1,b\nw,2,1,b\n")
    (tmp_path / "notes.csv").write_text("who,what\nme,this\n")
    manifest = read_data(tmp_path)
    assert _rows(manifest, "video", "origin") == [["v.mp4", "1.csv line 2"], ["w.mp4", "2.csv line 2"]]
    assert manifest.notes[1] == "2 tables of time ranges"
    assert "skipped: 1 table of other columns: notes.csv" in manifest.notes
    assert "2.csv line 3: the end 1 is before the start 2" in _notes(manifest)


def test_frame_folders_as_videos(touch: Callable[..., Path], tmp_path: Path) -> None:
    import cv2
    import numpy as np

    touch(*[f"v/v_{n:05d}.jpg" for n in range(1, 21)])
    cv2.imwrite(str(tmp_path / "v/v_00001.jpg"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "t.csv").write_text(HEADER + "v,0,1,a\nv,1,3,b\n")
    manifest = read_data(tmp_path / "t.csv", fps=10)
    assert _rows(manifest, "video", "end", "fps") == [["v", 1.0, 10.0], ["v", 2.0, 10.0]]


def test_a_video_goes_before_the_frames_taken_of_it(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("v.mp4", "films/w.mp4")
    for name in ("v", "frames/w"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.jpg").write_bytes(b"x")
    (tmp_path / "t.csv").write_text(HEADER + "v,0,1,a\nw,0,1,b\n")
    assert _rows(read_data(tmp_path / "t.csv"), "video") == [["v.mp4"], ["films/w.mp4"]]


def test_names_of_frame_folders_lead_back_to_their_videos(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("run/01.mp4", "sit/01.mp4", "sit/02.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "run_01,0,1,a\nsit_01,0,1,b\n02,0,1,c\n")
    assert _rows(read_data(tmp_path / "t.csv"), "video") == [["run/01.mp4"], ["sit/01.mp4"], ["sit/02.mp4"]]


def test_videos_in_an_object_store_keep_their_address(clip: Callable[..., Path], tmp_path: Path) -> None:
    clip("films/v.mp4")
    (tmp_path / "t.csv").write_text(HEADER + "s3://bucket/a b/v.mp4,1,9,a\nv,0,1,b\n")
    manifest = read_data(tmp_path / "t.csv")
    assert _rows(manifest) == [["s3://bucket/a b/v.mp4", 1.0, 9.0, "a"], ["films/v.mp4", 0.0, 1.0, "b"]]


def test_missing_columns(clip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("video,time_start,label\nv,0,a\n")
    with pytest.raises(DataError, match=r"the column 'time_end' is missing"):
        read_data(tmp_path / "t.csv", format="timestamps")


def test_classes_of_gmdcsa24() -> None:
    assert ranges_of("Sitting[0 to 0.5]; Walking[0.5 to 1.8; 6 to 8.7]; ") == (
        [("Sitting", "0", "0.5"), ("Walking", "0.5", "1.8"), ("Walking", "6", "8.7")], [], 0,
    )  # fmt: skip
    assert ranges_of("Falling (SW)[1.8 to 5]:; Walking[ 0 to 1.8]")[0] == [
        ("Falling (SW)", "1.8", "5"), ("Walking", "0", "1.8"),
    ]  # fmt: skip
    assert ranges_of("Standing[2 to 3; 6 to 7; Walking[3 to 5] ") == (
        [("Standing", "2", "3"), ("Standing", "6", "7"), ("Walking", "3", "5")], [], 1,
    )  # fmt: skip
    assert ranges_of("Falling (BW[5.9 to 10]") == ([("Falling (BW)", "5.9", "10")], [], 1)
    assert ranges_of("Reading; Eating[0.9 4.6]") == (
        [], ["no time range for 'Reading'", "'Eating[0.9 4.6]' is no range 'START to END'"], 0,
    )  # fmt: skip


def test_real_gmdcsa24(test_data: Path) -> None:
    manifest = read_data(test_data / "falls/annotations")
    assert manifest.source_format == "timestamps"
    assert (len(manifest), manifest.table["video"].nunique()) == (48, 23)
    assert manifest.groups == ["subject1", "subject2", "subject3", "subject4"]
    mine = manifest.table[manifest.table["video"] == "fall/subject2_12.mp4"]
    # Subject2_Fall.csv: Falling (BW)[6.9 to 12]; Drinking[3.5 to 5.3]; Standing[3.6 to 6.9]; Walking[0 to 3.6]
    assert mine[["start", "end", "label"]].values.tolist() == [
        [6.9, 12.0, "Falling (BW)"], [3.5, 5.3, "Drinking"], [3.6, 6.9, "Standing"], [0.0, 3.6, "Walking"],
    ]  # fmt: skip
    text = _notes(manifest)
    assert "missing: 137 videos not in" in text
    assert "Subject2_ADL.csv line 7: the end 3 is before the start 9.7" in text
    assert "left out: 5 ranges that cannot be used" in text

"""Kinetics: CSV lists of any edition, videos by their YouTube id, 650,000 rows in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import read_data
from kinema.data.readers.kinetics_list import read_kinetics_list
from kinema.errors import DataError

Touch = Callable[..., Path]
HEADER = "label,youtube_id,time_start,time_end,split\n"
A, B, C = "--07WQ2iBlw", "WUzgd7C1pWA", "_y0-9XsvVsU"


def test_names_of_clips_in_class_folders_and_flat(tmp_path: Path, touch: Touch) -> None:
    touch(
        f"train/javelin_throw/{A}_000001_000011.mp4",
        f"train/{B}_4_14.mkv",
        f"train/{B}_000104_000114.mkv",
        "train/other.mp4",
    )
    (tmp_path / "train.csv").write_text(
        HEADER
        + f"javelin throw,{A},1,11,train\nslapping,{B},4,14,train\nslapping,{C},0,10,train\nrunning,{C},20,30,train\n"
    )
    (tmp_path / "val.csv").write_text(HEADER + f"slapping,{B},104,114,validate\n")
    manifest = read_data(tmp_path)
    assert manifest.source_format == "Kinetics"
    assert manifest.table[["video", "label", "split", "group"]].values.tolist() == [
        [f"train/javelin_throw/{A}_000001_000011.mp4", "javelin throw", "train", A],
        [f"train/{B}_4_14.mkv", "slapping", "train", B],
        [f"train/{B}_000104_000114.mkv", "slapping", "valid", B],
    ]
    assert manifest.table[["start", "end"]].isna().all(axis=None)  # the file is the clip
    assert manifest.notes == [
        "Kinetics, train.csv, val.csv: 3 clips of the 5 listed ones are there",
        f"absent: 2 listed videos; all of 1 class (running); some of slapping (1): "
        f"{C}_000000_000010.mp4, {C}_000020_000030.mp4",
        "groups: the YouTube video",
        "skipped: 1 video that no list names: train/other.mp4",
    ]


def test_the_same_clip_in_two_class_folders(tmp_path: Path, touch: Touch) -> None:
    touch(f"v/a_b/{A}_000001_000011.mp4", f"v/massaging_person_s_head/{A}_000001_000011.mp4")
    (tmp_path / "list.csv").write_text(
        HEADER + f"massaging person's head,{A},1,11,train\na b,{A},1,11,train\n"
    )
    assert read_data(tmp_path / "list.csv").table[["video", "label"]].values.tolist() == [
        [f"v/massaging_person_s_head/{A}_000001_000011.mp4", "massaging person's head"],
        [f"v/a_b/{A}_000001_000011.mp4", "a b"],
    ]


def test_a_file_named_by_the_id_is_the_clip_or_the_whole_video(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    make_video(f"v/{A}.mp4", frames=60)  # 6 s at 10 a second
    make_video(f"v/{B}.mp4", frames=20)
    make_video(f"v/{C}.mp4", frames=20)
    rows = f"run,{A},1,2,train\nrun,{A},3,9,train\nrun,{A},7,9,train\nsit,{B},100,102,validate\n"
    rows += f"sit,{C},10,12,train\nrun,{C},20,22,train\n"
    (tmp_path / "list.csv").write_text(HEADER + rows)
    manifest = read_data(tmp_path / "list.csv")
    assert [(s.name, s.start, s.end, s.label, s.split) for s in manifest.segments()] == [
        (f"v/{A}.mp4", 1.0, 2.0, "run", "train"),
        (f"v/{A}.mp4", 3.0, 6.0, "run", "train"),
        (f"v/{B}.mp4", None, None, "sit", "valid"),
    ]
    assert manifest.notes[1:5] == [
        "ID.mp4 is the whole video, cut at the listed times: 1 file",
        "ID.mp4 is too short for the listed times, so cut already: 2 files",
        f"left out, beginning past the end of the video: 1 row of v/{A}.mp4",
        f"left out, several to one cut clip: 2 rows of v/{C}.mp4",
    ]


def test_editions_differ_in_their_columns(tmp_path: Path) -> None:
    file = tmp_path / "kinetics_600_test.csv"
    file.write_bytes(f"\ufeffyoutube_id,time_start,time_end,split\r\n{A},1,11,test\r\n\r\n".encode())
    assert read_kinetics_list(file).clips.values.tolist() == [[None, A, 1.0, 11.0, "test", 2]]
    file.write_text(HEADER.strip() + f',is_cc\nrun ,{A} , 1 ,11, val ,0\n"walk, slowly",{B},2.5,12.5,train,1')
    clips = read_kinetics_list(file).clips
    assert clips.columns.tolist() == [
        "label", "youtube_id", "time_start", "time_end", "split", "line", "is_cc",
    ]  # fmt: skip
    assert clips.values.tolist() == [
        ["run", A, 1.0, 11.0, "valid", 2, "0"],
        ["walk, slowly", B, 2.5, 12.5, "train", 3, "1"],
    ]
    file.write_text(f"label,youtube_id,time_start,time_end\nrun,{A},1,11\n")
    assert read_kinetics_list(file).clips["split"].tolist() == ["test"]  # the file's name says so


def test_repeated_rows_and_the_held_out_set(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(HEADER + f"run,{A},1,11,train\nrun,{A},1,11,train\nrun,{B},1,11,holdout_test\n")
    read = read_kinetics_list(file)
    assert read.clips[["youtube_id", "split"]].values.tolist() == [[A, "train"], [B, None]]
    assert read.notes == [
        "list.csv: 1 row of the split holdout_test left without one",
        "list.csv: 1 row repeated, used once",
    ]


@pytest.mark.parametrize(
    ("row", "line", "why"),
    [
        (f"run,{A},1,11,tarin\n", 2, "unknown split 'tarin'; use train, validate or test"),
        (f"run,{A},x,11,train\n", 2, "'x' and '11' are not both times in seconds"),
        (f"run,{A},1,nan,train\n", 2, "'1' and 'nan' are not both times in seconds"),
        (f"run,{A},1,inf,train\n", 2, "'1' and 'inf' are not both times in seconds"),
        (f"run,{A},-inf,9,train\n", 2, "negative start -inf"),
        (f'\n"r\n1",{B},-1,11,train\n', 4, "negative start -1"),
        (f"run,{A},11,1,train\n", 2, "the end 1 is not after the start 11"),
        (f"run,{A},1,1,train\n", 2, "the end 1 is not after the start 1"),
        (f"run,{A},1\n", 2, "'1' and '' are not both times in seconds"),
        ("run,,1,11,train\n", 2, "'' is not the id of a video"),
        ("run,#NAME?,1,11,train\n", 2, "'#NAME?' is not the id of a video"),
        ("run,../../../e,1,11,train\n", 2, "'../../../e' is not the id of a video"),
        (f"walk, slowly,{A},1,11,train\n", 2, "more cells than the header; quote a cell that holds a comma"),
    ],
)
def test_rows_that_are_no_clips_are_listed_with_their_line(
    tmp_path: Path, touch: Touch, row: str, line: int, why: str
) -> None:
    touch(f"{C}_000001_000011.mp4")
    file = tmp_path / "list.csv"
    file.write_text(HEADER + row + f"run,{C},1,11,train\n")
    manifest = read_data(file)
    assert manifest.table["video"].tolist() == [f"{C}_000001_000011.mp4"]
    assert manifest.notes[1] == f"left out: 1 row that is no clip: list.csv line {line}: {why}"
    assert manifest.absent[["place", "why"]].values.tolist() == [[f"list.csv line {line}", why]]
    file.write_text(HEADER + row)
    with pytest.raises(DataError, match=r"list\.csv: no row is a clip; left out: 1 row"):
        read_data(file)


def test_bad_files(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(
        HEADER.encode() + b"run," + A.encode() + b",1,11,train\nTurnk\xf6r," + B.encode() + b",1,2,train\n"
    )
    with pytest.raises(DataError, match=r"list\.csv: line 3 is not UTF-8 text; save the list as UTF-8"):
        read_kinetics_list(file)
    file.write_text(HEADER + f"run,{A},1,11,train\na,b,c,{A},1,11,train\n")
    with pytest.raises(DataError, match=r"list\.csv: line 3 has more cells than the header; quote a cell"):
        read_kinetics_list(file)
    file.write_text(HEADER)
    with pytest.raises(DataError, match=r"list\.csv: the list has no rows below the column names"):
        read_kinetics_list(file)
    file.write_text("label,youtube_id,start,time_end\n")
    with pytest.raises(DataError, match=r"the column 'time_start' is missing"):
        read_kinetics_list(file)
    (tmp_path / "inner").mkdir()
    with pytest.raises(DataError, match=r"no CSV with the columns youtube_id,time_start,time_end"):
        read_data(tmp_path / "inner", format="Kinetics")


def test_a_list_without_any_video_is_for_fetch(test_data: Path) -> None:
    sample = test_data / "annotations" / "kinetics400_validate_sample.csv"
    with pytest.raises(
        DataError, match=r"none of the 200 listed videos is in .*kinema data fetch kinetics400 --lists "
    ):
        read_data(sample)
    table = read_kinetics_list(sample).clips
    assert (len(table), table["label"].nunique(), set(table["split"])) == (200, 159, {"valid"})
    assert table.iloc[0].tolist() == ["javelin throw", A, 1.0, 11.0, "valid", 2]


def test_real_clips(tmp_path: Path, test_data: Path) -> None:
    # Clips of Kinetics-400, 10 and 11 s long, cut already; the times are this test's own.
    (tmp_path / "list.csv").write_text(
        HEADER + "one,R6llTwEh07w,60,70,train\ntwo,SOX5yA1l24A,0,10,train\nthree,WUzgd7C1pWA,2,12,validate\n"
    )
    manifest = read_data(tmp_path / "list.csv", videos=test_data / "odd-videos")
    assert manifest.table["label"].tolist() == ["one", "two", "three"]
    assert manifest.table[["start", "end"]].isna().all(axis=None)
    assert "ID.mp4 is too short for the listed times, so cut already: 3 files" in manifest.notes
    assert all(segment.video.is_file() for segment in manifest.segments())


_MEASURED = """
import sys, time
from pathlib import Path
from kinema.data import read_data
import csv
def spent(read):  # processor time of this process alone: others may share the machine
    started = time.process_time()
    return read(sys.argv[1]), time.process_time() - started
def plainly(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
manifest, seconds = spent(read_data)
# Not ru_maxrss: that begins with the memory of the process that started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(manifest), seconds / spent(plainly)[1], int(peak.split()[1]) / 1024)
"""


@pytest.mark.slow
def test_650_000_rows_in_seconds_and_below_a_gigabyte(tmp_path: Path) -> None:
    ids = [f"{n:011d}" for n in range(650_000)]
    rows = [f'"class {n % 700}, held",{name},{n % 290},{n % 290 + 10},train' for n, name in enumerate(ids)]
    (tmp_path / "train.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (tmp_path / "videos").mkdir()
    for n in range(0, 650_000, 650):
        (tmp_path / "videos" / f"{ids[n]}_{n % 290:06d}_{n % 290 + 10:06d}.mp4").touch()
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(tmp_path / "train.csv")],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    found, times, megabytes = measured.stdout.split()
    assert int(found) == 1000
    assert float(times) < 10  # those of Python's own csv.DictReader: 4 to 5 s on a quiet machine
    assert float(megabytes) < 1000

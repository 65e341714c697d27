"""Manifests: what users write is understood or refused in one line, and nothing changes on the way."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kinema.data import Manifest
from kinema.errors import DataError, UsageError


def _read(tmp_path: Path, text: str | bytes, name: str = "m.csv") -> Manifest:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Manifest.read(path)


def test_segments_have_absolute_paths_times_and_extra_columns(tmp_path: Path) -> None:
    manifest = _read(
        tmp_path,
        "video,start,end,label,split,group,camera\na b.mp4,1.5,3,walk,train,p1,left\n/x/c.mp4,,,run,,,\n",
    )
    first, second = manifest.segments()
    assert (first.video, first.start, first.end) == (tmp_path / "a b.mp4", 1.5, 3.0)
    assert (first.label, first.split, first.group, first.row, first.name) == (
        "walk",
        "train",
        "p1",
        0,
        "a b.mp4",
    )
    assert first.extra == {"camera": "left"}
    assert (second.video, second.start, second.end, second.split, second.row) == (
        Path("/x/c.mp4"),
        None,
        None,
        None,
        1,
    )


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfvideo,label\r\na.mp4,01\nb.mp4,2\r\n",
        b"video;label\ra.mp4;01\rb.mp4;2",
        b"Video\tLabel\r\n\r\na.mp4\t01\r\nb.mp4\t2\r\n\r\n",
        "video,label\na.mp4, 01\nb.mp4,2,,\n".encode("utf-16"),
        b'"video","label"\n"a.mp4","01"\n"b.mp4","2"',
    ],
    ids=["bom-mixed-endings", "semicolon-cr", "tab-blank-lines", "utf16-spaces-trailing", "quoted"],
)
def test_csv_as_spreadsheets_write_it(tmp_path: Path, text: bytes) -> None:
    manifest = _read(tmp_path, text)
    assert manifest.table["video"].tolist() == ["a.mp4", "b.mp4"]
    assert manifest.table["label"].tolist() == ["01", "2"]


def test_decimal_comma_beside_semicolons(tmp_path: Path) -> None:
    assert _read(tmp_path, "video;start;end;label\na.mp4;0,5;2,25;x\n").segments()[0].end == 2.25


def test_classes_sort_by_number(tmp_path: Path) -> None:
    manifest = Manifest({"video": list("abcde"), "label": ["class10", "class2", "10", "9", "class1"]})
    assert manifest.classes == ["9", "10", "class1", "class2", "class10"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_round_trip_keeps_everything(tmp_path: Path, suffix: str) -> None:
    names = ['it\'s "one", two.mp4', " räume/東京;a.mp4", "c\td.mp4"]
    table = {
        "video": names, "start": [0.1, None, 1 / 3], "end": [2, None, 4.0], "label": ["01", "1.0", None],
        "split": ["train", "val", None], "group": ["7", None, "g"], "note": ["a,b", "", "x"],
    }  # fmt: skip
    manifest = Manifest(table, root=tmp_path)
    back = Manifest.read(manifest.write(tmp_path / f"m{suffix}"))
    assert back.table["video"].tolist() == names
    assert back.table["label"].tolist() == ["01", "1.0", None]
    assert back.table["split"].tolist() == ["train", "valid", None]
    assert back.table["start"].tolist()[::2] == [0.1, 1 / 3]
    assert back.table["note"].tolist() == ["a,b", "", "x"]
    assert back.fingerprint() == manifest.fingerprint()


def test_writing_elsewhere_keeps_pointing_at_the_same_files(tmp_path: Path) -> None:
    manifest = Manifest({"video": ["clips/a.mp4", "/far/b.mp4"], "label": ["x", "y"]}, root=tmp_path / "data")
    manifest.write(tmp_path / "out" / "deep" / "m.csv")
    assert (tmp_path / "out/deep/m.csv").read_text().splitlines()[1:] == [
        "../../data/clips/a.mp4,,,x,,", "/far/b.mp4,,,y,,",
    ]  # fmt: skip


def test_writing_into_a_linked_folder_counts_the_real_folders(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.mp4").write_bytes(b"x")
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real/deep")
    written = Manifest({"video": ["a.mp4"], "label": ["x"]}, root=tmp_path / "data").write(
        tmp_path / "link/m.csv"
    )
    assert Manifest.read(written).segments()[0].video.read_bytes() == b"x"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    manifest = Manifest({"video": ["a.mp4"]}, root=tmp_path)
    with pytest.raises(UsageError, match=r"m\.xls: a table is written as \.csv"):
        manifest.write(tmp_path / "m.xls")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"m\.csv: the file is empty"),
        ("video,label\n", r"m\.csv: the manifest has no rows"),
        (
            "clip,label\na.mp4,x\n",
            r"column 'video' is missing \(found: clip, label\); rename 'clip' to 'video'",
        ),
        ("video,class\na.mp4,x\n", r"column 'label' is missing .*; rename 'class' to 'label'"),
        (
            "path,action\na.mp4,x\n",
            r"columns 'video', 'label' are missing .*; rename 'path' to 'video', rename 'action'",
        ),
        ("video,label,gruop\na.mp4,x,p1\n", r"column 'gruop' looks like 'group'"),
        ("video,label,label\na.mp4,x,y\n", r"column 'label' is there twice"),
        ("video,label,start,end\na,x,1,2\nb,x,3,3\nc,x,5,4\n", r"lines 3, 4: end is not after start"),
        ("video,label,end\na,x,0\n", r"line 2: end is not after start"),
        ("video,label,start\na,x,-1\n", r"line 2: a time is negative"),
        ("video,label,start\na,x,1\nb,x,soon\n", r"line 3: start is not a number of seconds"),
        (
            "video,label,split\na,x,train\nb,x,trian\n",
            r"line 3: unknown split 'trian'; use train, valid or test",
        ),
        ("video,label\na,x\n\n,y\n", r"line 4: the cell 'video' is empty"),
        ("video,label\na,x\nb,y\na,x\n", r"line 4: the same video, times and label"),
        ("video,label\n" + "a,x\n" * 9, r"lines 3, 4, 5, 6, 7 and 3 more: the same video"),
        ("video,label\na,x,y\n", r"line 2 has 3 cells where the header has 2"),
        (b"video,label\na,\xe9t\xe9\n", r"line 2 is not UTF-8 text; save the table as UTF-8"),
        (b"\x00\x01video", r"m\.csv: not a text table"),
        ("video,frame,label\na,1.jpg,x\n", r"labels single frames"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "m.csv") in str(caught.value)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        Manifest.read(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"m\.parquet: not a Parquet file"):
        _read(tmp_path, "video,label\n", "m.parquet")


def test_split_words(tmp_path: Path) -> None:
    words = ["Train", "training", "val", "VALIDATION", "dev", "test", "testing", ""]
    manifest = Manifest({"video": list("abcdefgh"), "split": words})
    assert manifest.table["split"].tolist() == ["train"] * 2 + ["valid"] * 3 + ["test"] * 2 + [None]
    assert manifest.splits == ["train", "valid", "test"]


def test_validate_names_a_leak_and_missing_labels() -> None:
    leaky = Manifest(
        {"video": ["a", "b"], "label": ["x", "y"], "split": ["train", "test"], "group": ["p1", "p1"]}
    )
    with pytest.raises(DataError, match="group 'p1' in more than one split"):
        leaky.validate()
    with pytest.raises(DataError, match="row 2: no label"):
        Manifest({"video": ["a", "b"], "label": ["x", ""]}).validate()
    sound = Manifest(
        {"video": ["a", "b"], "label": ["x", "y"], "split": ["train", "test"], "group": ["p1", "p2"]}
    )
    assert sound.validate() is sound


def test_filter() -> None:
    manifest = Manifest(
        {"video": list("abc"), "label": ["x", "y", "x"], "split": ["train", "val", "test"], "take": [1, 2, 3]}
    )
    assert manifest.filter(split="validation").table["video"].tolist() == ["b"]
    assert manifest.filter(label="x", where="take > 1").table["video"].tolist() == ["c"]
    assert [s.row for s in manifest.filter(label="x").segments()] == [0, 1]
    assert len(manifest.filter(split=["train", "test"], where=lambda t: t["take"] == 2)) == 0
    with pytest.raises(UsageError, match="unknown label 'z'"):
        manifest.filter(label="z")
    with pytest.raises(UsageError, match=r"where='nothing > 1'"):
        manifest.filter(where="nothing > 1")


def test_fingerprint_follows_the_rows_not_their_order_nor_their_place(tmp_path: Path) -> None:
    table = {"video": ["a", "b"], "label": ["x", "y"]}
    one = Manifest(table, root="/one").fingerprint()
    assert Manifest({k: v[::-1] for k, v in table.items()}, root="/two").fingerprint() == one
    assert Manifest({**table, "label": ["x", "z"]}).fingerprint() != one
    for name, content in (("a", b"1"), ("b", b"2"), ("a2", b"1")):
        (tmp_path / name).write_bytes(content)
    here = Manifest({"video": ["a", "b"], "label": ["x", "y"]}, root=tmp_path)
    renamed = Manifest({"video": ["a2", "b"], "label": ["x", "y"]}, root=tmp_path)
    assert here.fingerprint(content=True) == renamed.fingerprint(content=True)
    (tmp_path / "a2").write_bytes(b"3")
    assert here.fingerprint(content=True) != renamed.fingerprint(content=True)


def test_describe_counts_and_warns() -> None:
    table = {
        "video": list("abcdefgh"),
        "end": [1.5, 2.0, *[None] * 6],
        "label": ["run"] * 6 + ["sit", "lie"],
        "split": ["train"] * 4 + ["test"] * 3 + ["train"],
        "group": ["p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7"],
    }
    lines = Manifest(table).describe().splitlines()
    assert lines[0] == "8 clips of 8 videos, 3 classes, 7 groups"
    assert lines[1].split() == ["class", "train", "test", "clips", "groups", "seconds"]
    assert lines[2].split() == ["lie", "1", "0", "1", "1", "0.0"]
    assert lines[3].split() == ["run", "4", "2", "6", "5", "3.5"]
    assert lines[5].split() == ["all", "5", "3", "8", "7", "3.5"]
    warnings = [line for line in lines if line.startswith("warning")]
    assert warnings == [
        "warning: 'lie', 'sit': one clip only, so it can be trained on or tested, not both",
        "warning: train has no clip of 'sit'",
        "warning: test has no clip of 'lie'",
        "warning: imbalance: 6 clips of 'run', 1 of 'lie'",
        "warning: leak: group 'p4' is in more than one split",
    ]


def test_a_parquet_table_with_infinite_times_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    pd.DataFrame({"video": ["a", "b"], "label": ["x", "x"], "start": [0.0, float("inf")]}).to_parquet(file)
    with pytest.raises(DataError, match=r"m\.parquet: row 2: start is not a number of seconds"):
        Manifest.read(file)

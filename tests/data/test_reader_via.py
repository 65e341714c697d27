"""VIA 3 projects and exports: options of attributes, whole files, frames and regions, broken files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError


def _project() -> dict[str, Any]:
    """A project as VIA 3.0.12 saves it: three attributes, two videos, all kinds of metadata."""
    return {
        "project": {
            "pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__", "pname": "Falls",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "data_format_version": "3.1.1",
            "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)", "created": 1574343199772,
            "vid_list": ["1", "2"],
        },
        "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
        "attribute": {
            "1": {"aname": "Activity", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "", "default_option_id": "",
                  "options": {"0": "walk", "1": "sit, down"}},
            "2": {"aname": "Objects", "anchor_id": "FILE1_Z2_XY0", "type": 2, "desc": "", "default_option_id": "",
                  "options": {"a": "cup", "b": "book"}},
            "3": {"aname": "Comment", "anchor_id": "FILE1_Z0_XY0", "type": 1, "desc": "", "options": {}},
        },
        "file": {
            "1": {"fid": 1, "fname": "one.mp4", "type": 4, "loc": 1, "src": ""},
            "2": {"fid": 2, "fname": "two.mp4", "type": 4, "loc": 2, "src": "https://example.org/films/two.mp4?x=1"},
        },
        "metadata": {
            "1_aaaaaaaa": {"vid": "1", "flg": 0, "z": [0, 1.25], "xy": [], "av": {"1": "0", "2": "a,b"}},
            "1_bbbbbbbb": {"vid": "1", "flg": 0, "z": [1.5, 2.5], "xy": [], "av": {"1": "1", "2": ""}},
            "1_cccccccc": {"vid": "1", "flg": 0, "z": [2.5, 2.75], "xy": [], "av": {}},
            "1_dddddddd": {"vid": "1", "flg": 0, "z": [1.0], "xy": [2, 10, 10, 5, 5], "av": {"1": "0"}},
            "1_gggggggg": {"vid": "1", "flg": 0, "z": [0.5], "xy": [], "av": {"1": "1"}},
            "2_eeeeeeee": {"vid": "2", "flg": 0, "z": [], "xy": [], "av": {"3": "indoor"}},
            "2_ffffffff": {"vid": "2", "flg": 0, "z": [2, 1], "xy": [], "av": {"1": "0"}},
        },
        "view": {"1": {"fid_list": [1]}, "2": {"fid_list": ["2"]}},
    }  # fmt: skip


@pytest.fixture
def write(tmp_path: Path, make_video: Callable[..., Path]) -> Callable[[Any, str], Path]:
    """Writes a file beside two synthetic videos of 3.0 s."""
    make_video("one.mp4", frames=30)
    make_video("films/two.mp4", frames=30)

    def put(content: Any, name: str = "falls.json") -> Path:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return put


def _rows(manifest: Manifest) -> list[list[object]]:
    table = manifest.table.astype(object).where(manifest.table.notna(), None)
    return table[["video", "start", "end", "label", "attribute"]].values.tolist()


def test_a_project(write: Callable[..., Path]) -> None:
    manifest = read_data(write(_project()))
    assert manifest.source_format == "VIA"
    assert _rows(manifest) == [
        ["one.mp4", 0.0, 1.25, "walk", "Activity"],
        ["one.mp4", 0.0, 1.25, "cup", "Objects"],
        ["one.mp4", 0.0, 1.25, "book", "Objects"],
        ["one.mp4", 1.5, 2.5, "sit, down", "Activity"],
        ["films/two.mp4", None, None, "indoor", "Comment"],
    ]
    text = "\n".join(manifest.notes)
    assert "the labels of 3 attributes stand together (Activity, Objects, Comment); choose one" in text
    assert "skipped: 2 annotations of single frames or regions" in text
    assert "falls.json 1_cccccccc: the segment has no label" in text
    assert "falls.json 2_ffffffff: the end 1 is before the start 2" in text


def test_one_attribute(write: Callable[..., Path]) -> None:
    path = write(_project())
    assert [row[3] for row in _rows(read_data(path, attribute="Objects"))] == ["cup", "book"]
    with pytest.raises(UsageError, match="no segment has the attribute 'activity'; did you mean 'Activity'"):
        read_data(path, attribute="activity")


CSV_ALL = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# Notes:
# - temporal coordinate of [1.349,2.741] denotes a temporal segment from time 1.346 sec. to 2.741 sec.
# SHAPE_ID = {"POINT":1,"RECTANGLE":2,"CIRCLE":3,"ELLIPSE":4,"LINE":5,"POLYLINE":6,"POLYGON":7}
# FLAG_ID = {"RESERVED_FOR_FUTURE":1}
# ATTRIBUTE = {"1":{"aname":"Scene","anchor_id":"FILE1_Z2_XY0","type":1,"desc":"","options":{}},"4":{"aname":"Type",\
"anchor_id":"FILE1_Z2_XY0","type":3,"desc":"","options":{"0":"Title","1":"Chart"},"default_option_id":"1"}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_j5sJvB9h","[""one.mp4""]",0,"[1.124,2.31493]","[]","{""1"":""main title"",""4"":""1""}"
"1_zYQJk2sM","[""one.mp4""]",0,"[2.41892]","[2,162.262,176.21971,639.45,192.49481]","{""4"":""0""}"
"""
CSV_SEGMENTS = """# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata
"1_AbCdEfGh","[""one.mp4""]",0.5,1.75,"{""TEMPORAL-SEGMENTS"":""run""}"
"1_IjKlMnOp","[""films/two.mp4""]",1,7.5,"{""TEMPORAL-SEGMENTS"":""sit""}"
"""


def test_both_csv_exports(write: Callable[..., Path]) -> None:
    manifest = read_data(write("\ufeff" + CSV_ALL.replace("\n", "\r\n"), "all.csv"))
    assert manifest.source_format == "VIA"
    assert _rows(manifest) == [
        ["one.mp4", 1.124, 2.31493, "main title", "Scene"], ["one.mp4", 1.124, 2.31493, "Chart", "Type"],
    ]  # fmt: skip
    assert manifest.table["origin"][0] == "all.csv line 8"
    manifest = read_data(write(CSV_SEGMENTS, "segments.csv"))
    assert _rows(manifest) == [
        ["one.mp4", 0.5, 1.75, "run", "TEMPORAL-SEGMENTS"], ["films/two.mp4", 1.0, 3.0, "sit", "TEMPORAL-SEGMENTS"],
    ]  # fmt: skip


def test_a_folder_of_projects(write: Callable[..., Path], tmp_path: Path) -> None:
    write(_project())
    write(CSV_SEGMENTS, "more.csv")
    write({"other": 1}, "settings.json")
    assert len(read_data(tmp_path)) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"project": {}, "config": {}, "attribute": {}, ', r"falls\.json: not JSON that can be read"),
        ('{"project": {}, "config": {}, "attribute": {}}', "no VIA 3 project: it lacks file, metadata, view"),
        (
            '{"project":1,"config":1,"attribute":{},"file":{},"view":{},"metadata":{}}',
            "no labelled time range",
        ),
        (
            '{"project":1,"config":1,"attribute":{},"file":{},"view":{},"metadata":{"1_x":{"vid":"1"}}}',
            "metadata '1_x' is not as VIA 3 writes it",
        ),
    ],
)
def test_bad_projects(write: Callable[..., Path], text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_data(write(text), format="VIA")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "CSV_HEADER = metadata_id,",
            "CSV_HEADER = a,b",
            r"its CSV_HEADER names a, b.*; export it from VIA 3 again",
        ),
        ('"[""one.mp4""]",0.5', "one.mp4,0.5", r"line 3: 'one\.mp4' is no list as VIA writes it"),
        (',1.75,"{""TEMPORAL-SEGMENTS"":""run""}"', "", "line 3 has 3 cells where CSV_HEADER has 5"),
    ],
)
def test_bad_exports(write: Callable[..., Path], old: str, new: str, message: str) -> None:
    text = CSV_SEGMENTS.replace(old, new) if old != "CSV_HEADER = metadata_id," else CSV_SEGMENTS.replace(
        "metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata", "a,b"
    )  # fmt: skip
    with pytest.raises(DataError, match=message):
        read_data(write(text, "segments.csv"))


def test_times_that_are_no_numbers(write: Callable[..., Path]) -> None:
    text = CSV_SEGMENTS.replace("0.5,1.75", "NaN,1.75")
    assert "segments.csv line 3: start: 'NaN' is no time" in "\n".join(
        read_data(write(text, "segments.csv")).notes
    )

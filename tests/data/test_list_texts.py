"""Lists as people keep them: each text format of lists is read the same whatever editor saved it last."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.data import read_data
from kinema.errors import DataError

Touch = Callable[..., Path]
ID = "--07WQ2iBlw"
VIA = """# Exported using VGG Image Annotator
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
# ATTRIBUTE = {"1": "action"}
"1_a","[""v.mp4""]",0,"[0, 0.5]","[]","{""1"": ""sit, ö""}"
"""

# The files of each format (the first is the one that is made dirty), and the row that all of them mean.
FORMATS: dict[str, tuple[dict[str, str], list[str]]] = {
    "UCF101": (
        {
            "ucfTrainTestlist/trainlist01.txt": "Sit, ö/v.mp4 1\n",
            "ucfTrainTestlist/testlist01.txt": "Sit, ö/w.mp4\n",
            "ucfTrainTestlist/classInd.txt": "1 Sit, ö\n",
        },
        ["Sit, ö/v.mp4", "Sit, ö"],
    ),
    "UCF101 classInd": (
        {
            "ucfTrainTestlist/classInd.txt": "1 Sit, ö\n",
            "ucfTrainTestlist/trainlist01.txt": "Sit, ö/v.mp4 1\n",
            "ucfTrainTestlist/testlist01.txt": "Sit, ö/w.mp4\n",
        },
        ["Sit, ö/v.mp4", "Sit, ö"],
    ),
    "HMDB51": (
        {"testTrainMulti_7030_splits/Sit, ö_test_split1.txt": "v.mp4 1\nw.mp4 2\n"},
        ["Sit, ö/v.mp4", "Sit, ö"],
    ),
    "KTH": (
        {"00sequences.txt": "Training: person01\nTest: person02\nperson01_walking_d1 frames 1-5\n"},
        ["person01_walking_d1_uncomp.avi", "walking"],
    ),
    "Kinetics": (
        {"list.csv": f'label,youtube_id,time_start,time_end,split\n"sit, ö",{ID},1,11,train\n'},
        [f"{ID}_000001_000011.mp4", "sit, ö"],
    ),
    "Something-Something v2": (
        {
            "train.json": json.dumps([{"id": "7", "template": "Sit, [ö]"}], indent=0, ensure_ascii=False),
            "labels.json": '{"Sit, ö": "0"}',
        },
        ["7.webm", "Sit, ö"],
    ),
    "timestamps": (
        {"t.csv": 'video,time_start,time_end,label\nv.mp4,0,00:00:00.5,"sit, ö"\n'},
        ["v.mp4", "sit, ö"],
    ),
    "manifest": ({"m.csv": 'video,start,end,label\nSit/v.mp4,0,0.5,"sit, ö"\n'}, ["Sit/v.mp4", "sit, ö"]),
    "labels.csv": ({"labels.csv": 'video,frame,label\nf,f_1.jpg,"sit, ö"\n'}, ["f", "sit, ö"]),
    "VIA": ({"via.csv": VIA}, ["v.mp4", "sit, ö"]),
}
DIRT: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "a byte order mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "UTF-16": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "trailing spaces": lambda text: text.replace("\n", "  \n").encode(),
    "blank lines": lambda text: f"{text}\n\n".encode(),
    "no end of the last line": lambda text: text.rstrip("\n").encode(),
}


def _place(root: Path, touch: Touch, make_video: Callable[..., Path]) -> None:
    touch("Sit, ö/v.mp4", "Sit, ö/w.mp4", "Sit/v.mp4", "person01_walking_d1_uncomp.avi", "7.webm")
    touch(f"{ID}_000001_000011.mp4")
    make_video("v.mp4")
    (root / "f").mkdir()
    cv2.imwrite(str(root / "f/f_1.jpg"), np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("format", FORMATS)
def test_every_editor_is_understood(
    tmp_path: Path, touch: Touch, make_video: Callable[..., Path], format: str
) -> None:
    _place(tmp_path, touch, make_video)
    files, row = FORMATS[format]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    first = tmp_path / next(iter(files))
    path = tmp_path if first.suffix == ".txt" else first
    for name, dirty in DIRT.items():
        first.write_bytes(dirty(files[first.relative_to(tmp_path).as_posix()]))
        manifest = read_data(path)
        assert manifest.source_format == format.split(" class")[0], name
        assert manifest.table[["video", "label"]].values.tolist()[0] == row, name


@pytest.mark.parametrize("format", ["UCF101", "timestamps", "labels.csv"])
def test_separators_of_windows(
    tmp_path: Path, touch: Touch, make_video: Callable[..., Path], format: str
) -> None:
    _place(tmp_path, touch, make_video)
    texts = {
        "UCF101": ("ucfTrainTestlist/trainlist01.txt", "Sit, ö\\v.mp4 1\n", "Sit, ö/v.mp4"),
        "timestamps": ("t.csv", "video,time_start,time_end,label\n.\\v.mp4,0,0.5,a\n", "v.mp4"),
        "labels.csv": ("labels.csv", "video,frame,label\nf\\,f\\f_1.jpg,a\n", "f"),
    }
    name, text, video = texts[format]
    (tmp_path / "ucfTrainTestlist").mkdir()
    (tmp_path / "ucfTrainTestlist/testlist01.txt").write_text("Sit, ö\\w.mp4\n", encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_data(tmp_path if format == "UCF101" else tmp_path / name, format=format)
    assert found.table["video"][0] == video


@pytest.mark.parametrize("format", FORMATS)
def test_text_of_another_encoding_is_refused_with_its_line(
    tmp_path: Path, touch: Touch, make_video: Callable[..., Path], format: str
) -> None:
    _place(tmp_path, touch, make_video)
    files, _ = FORMATS[format]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    first = tmp_path / next(iter(files))
    clean = first.read_bytes().rstrip(b"\n")
    first.write_bytes(clean + b"\nTurnk\xf6r\n")  # Latin-1
    line = clean.count(b"\n") + 2
    with pytest.raises(
        DataError, match=rf"{first.name}: line {line} is not UTF-8 text; save the \w+ as UTF-8"
    ):
        read_data(tmp_path if first.suffix == ".txt" else first)

"""Something-Something v2: JSON lists whose templates are the classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import read_data
from kinema.errors import DataError

Touch = Callable[..., Path]
HOLD = {
    "id": "78687",
    "label": "holding potato next to vicks vaporub bottle",
    "template": "Holding [something] next to [something]",
    "placeholders": ["potato", "vicks vaporub bottle"],
}
MOVE = {
    "id": "42326",
    "label": "moving lid of pot",
    "template": "Moving [part] of [something]",
    "placeholders": ["lid", "pot"],
}


def _write(root: Path, **lists: object) -> None:
    root.mkdir(exist_ok=True)
    for name, value in lists.items():
        (root / f"{name}.json").write_text(json.dumps(value, indent=0), encoding="utf-8")


def test_lists_labels_and_answers(tmp_path: Path, touch: Touch) -> None:
    touch("20bn-something-something-v2/78687.webm", "20bn-something-something-v2/42326.webm",
          "20bn-something-something-v2/1420.webm", "20bn-something-something-v2/9.webm")  # fmt: skip
    labels = tmp_path / "labels"
    _write(
        labels,
        train=[HOLD, {**HOLD, "id": "5"}],
        validation=[MOVE],
        test=[{"id": "1420"}],
        labels={"Holding something next to something": "46", "Moving part of something": "57"},
    )
    (labels / "test-answers.csv").write_bytes(b"\xef\xbb\xbf1420;Moving part of something\r\n")
    manifest = read_data(tmp_path)
    assert manifest.source_format == "Something-Something v2"
    assert sorted(manifest.table[["video", "label", "split", "group"]].values.tolist()) == [
        ["20bn-something-something-v2/1420.webm", "Moving part of something", "test", "1420"],
        ["20bn-something-something-v2/42326.webm", "Moving part of something", "valid", "42326"],
        ["20bn-something-something-v2/78687.webm", "Holding something next to something", "train", "78687"],
    ]
    assert manifest.notes == [
        "Something-Something v2, test.json, train.json, validation.json: 3 videos of the 4 listed ones are there",
        "absent: 1 listed video; some of Holding something next to something (1): 5.webm",
        "skipped: 1 video that no list names: 20bn-something-something-v2/9.webm",
        "groups: each video its own, since who filmed it is not published",
    ]


def test_one_list_by_its_first_name_and_the_videos_elsewhere(tmp_path: Path, touch: Touch) -> None:
    touch("films/1420.webm")
    file = tmp_path / "something-something-v2-test.json"
    file.write_text('[{"id": "1420"},\n{"id": "7"}]', encoding="utf-8-sig")
    manifest = read_data(file, videos=tmp_path / "films")
    assert manifest.table[["video", "label", "split"]].values.tolist() == [["1420.webm", None, "test"]]
    assert manifest.notes[1] == "absent: 1 listed video: 7.webm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": "1", "template": "A [x]"},\n{"id": "2"}]', r"train\.json: line 2: the entry 2 has no 'template'"),
        ('[{"id": "1", "template": "A [x]"},\n\n{"template": "A [x]"}]', r"train\.json: line 3: an entry has no 'id'"),
        ('[{"id": "1", "template": "A [x]"},\n{"id": "2", "template": "B [x]"}]',
         r"train\.json: line 2: the class 'B x' is not in labels\.json; add it there or correct the template"),
        ('[{"id": "1", "template": "A [x]"},\n{"id": "2", "templ', r"train\.json: line 2 is not JSON"),
        ('[{"id": "1", "template": "A [x]"},\n3]', r"train\.json: line 2: an entry is not an object"),
        ('[{"id": "1", "template": "A [x]"},\n{"id": "1", "template": "C [x]"}]',
         r"train\.json: line 2: '1\.webm' is 'A x' of train in train\.json line 1; remove one of the two"),
        ('[{"id": "3", "template": "A [x]"}]', r"none of the 1 listed videos is among the 1 video in this folder"),
    ],
)  # fmt: skip
def test_bad_lists(tmp_path: Path, touch: Touch, text: str, message: str) -> None:
    touch("1.webm")
    (tmp_path / "train.json").write_text(text)
    _write(tmp_path, labels={"A x": "0", "C x": "1"})
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_bad_answers(tmp_path: Path, touch: Touch) -> None:
    touch("1.webm")
    _write(tmp_path, test=[{"id": "1"}])
    (tmp_path / "test-answers.csv").write_text("1;A x\n2 B x\n")
    with pytest.raises(DataError, match=r"test-answers\.csv: line 2 is not 'ID;class'"):
        read_data(tmp_path)

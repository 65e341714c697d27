"""Groups: names of known data sets tell the source; a user's pattern, column or block overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema.data import Manifest, assign_groups, check_leaks
from kinema.data.groups import RULES, name_group
from kinema.errors import UsageError


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("videos/Punch/v_Punch_g01_c03.avi", "Punch_g01"),
        ("shoot/v_shooting_01_02.avi", "shooting_01"),
        ("kicking/set1_seq04_20_2.avi", "set1_seq04"),
        ("person09_running_d1_uncomp.avi", "person09"),
        ("fall/subject3_20.mp4", "subject3"),
        ("Subject 12/run/a.mp4", "Subject 12"),
        ("S001C002P003R002A013_rgb.avi", "P003"),
        ("Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi", "Turnk_r_Pippi_Michel"),
        ("The_Film_brush_hair_u_nm_np1_ba_goo_0.avi", "The_Film"),
        ("x/--07WQ2iBlw_000001_000011.mp4", "--07WQ2iBlw"),
        ("walk/long day__walk__12.50-17.5.mp4", "long day"),
        ("match3_clip12.mp4", "match3"),
        ("kick_g07_2.mp4", "kick_g07"),
    ],
)
def test_known_names(name: str, group: str) -> None:
    found = name_group(name)
    assert found is not None and found[0] == group


@pytest.mark.parametrize(
    "name", ["fi001.mp4", "holiday.mp4", "img_2024.mp4", "WUzgd7C1pWA.mp4", "aperson.mp4", "bag3.mp4"]
)
def test_names_that_tell_nothing(name: str) -> None:
    assert name_group(name) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_fits_its_example(rule: object) -> None:
    found = name_group(rule.example + ".avi")  # type: ignore[attr-defined]
    assert found is not None and found[1] is rule


def _manifest(*names: str, **columns: list[str | None]) -> Manifest:
    return Manifest({"video": list(names), **columns})


def test_what_is_given_is_kept_and_the_rest_said() -> None:
    manifest = assign_groups(
        _manifest("person1_a.mp4", "person2_a.mp4", "x/b.mp4", "x/c.mp4", group=["mine", None, None, None])
    )
    assert manifest.table["group"].tolist() == ["mine", "person2", "x/b", "x/c"]
    assert manifest.notes == [
        "groups: 1 clip by personNN, subjectN (KTH and others)",
        "groups: the names of 2 clips do not tell a source or subject, so each such video is a group of its own",
    ]


def test_pattern_column_and_block() -> None:
    manifest = _manifest(
        "a/fi009.mp4", "a/fi010.mp4", "a/fi011.mp4", "a/odd.mp4", camera=["k1", "k1", "", "k2"]
    )
    assert assign_groups(manifest, pattern=r"fi0(\d)").table["group"].tolist() == ["0", "1", "1", "a/odd"]
    assert assign_groups(manifest, pattern=r"(?P<group>\d)\.mp4").table["group"].tolist() == [
        "9",
        "0",
        "1",
        "a/odd",
    ]
    assert assign_groups(manifest, column="camera").table["group"].tolist() == ["k1", "k1", "a/fi011", "k2"]
    blocks = assign_groups(manifest, block=10).table["group"].tolist()
    assert blocks == ["a/fi001-010", "a/fi001-010", "a/fi011-020", "a/odd"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "("}, "is not a regular expression"),
        ({"pattern": "zzz"}, "fits no path; a path here is 'a.mp4'"),
        ({"column": "vide"}, "did you mean 'video'"),
        ({"block": 0}, "at least 1 video"),
        ({"block": 2, "column": "video"}, "one of pattern, column and block"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        assign_groups(_manifest("a.mp4"), **settings)  # type: ignore[arg-type]


def test_numbered_names_get_advice() -> None:
    notes = assign_groups(_manifest("fi001.mp4", "fi002.mp4", "fi003.mp4")).notes
    assert "--group-block N" in notes[0]


def test_leaks(tmp_path: Path) -> None:
    for name, content in (("a", b"11"), ("b", b"22"), ("copy of a", b"11"), ("c", b"3")):
        (tmp_path / name).write_bytes(content)
    table = {
        "video": ["a", "b", "copy of a", "c", "c"],
        "end": [None, None, None, 1, 2],
        "split": ["train", "train", "test", "valid", "test"],
        "group": ["p1", "p2", "p3", "p2", "p4"],
    }
    manifest = Manifest(table, root=tmp_path)
    assert [(leak.kind, leak.value, leak.splits, leak.rows) for leak in check_leaks(manifest)] == [
        ("group", "p2", ("train", "valid"), (1, 3)),
        ("video", "c", ("valid", "test"), (3, 4)),
        ("content", "a = copy of a", ("train", "test"), (0, 2)),
    ]
    assert [leak.kind for leak in check_leaks(manifest, content=False)] == ["group", "video"]
    assert str(check_leaks(manifest)[0]) == "group 'p2' is in train and valid: 2 clips"

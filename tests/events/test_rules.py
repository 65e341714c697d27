"""Rules and events on disk, and settings that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import DataError, UsageError
from kinema.events import Event, EventRules, LabelRule


def test_rules_come_back_from_their_file(tmp_path: Path) -> None:
    wanted = EventRules(
        "median", 0.25, ("fall",), ("idle",), LabelRule(0.8, 0.3), {"fall": LabelRule(cooldown=60.0)},
        0.3, -4.0, 0.5, True,
    )  # fmt: skip
    assert EventRules.read(wanted.save(tmp_path)) == wanted
    assert EventRules.of(tmp_path) == wanted
    assert EventRules.of(tmp_path / "elsewhere") == EventRules() == EventRules.of(None)


def test_a_file_may_say_only_what_differs_and_a_label_takes_the_rest_from_the_default(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(
        'labels = "fall"\nlag = 1\n[default]\nenter = 0.9\n[per_label.fall]\ncooldown = 60\n'
    )
    found = EventRules.read(tmp_path / "rules.toml")
    assert found.labels == ("fall",)  # one label, not four letters
    assert found.rule("fall") == LabelRule(enter=0.9, cooldown=60)
    assert found.rule("walk") == LabelRule(enter=0.9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smothing": "none"}, "did you mean 'smoothing'"),
        ({"smoothing": "mean"}, "smoothing='mean'"),
        ({"default": {"entr": 0.5}}, "did you mean 'enter'"),
        ({"default": {"enter": 1.5}}, "give a probability between 0 and 1"),
        ({"default": {"enter": 0.3}}, "not above enter"),
        ({"default": {"consecutive": 2.5}}, "give a whole number of rows"),
        ({"default": {"merge_gap": -1}}, "give seconds, 0 or more"),
        ({"lag": float("nan")}, "give seconds, 0 or more"),
        ({"unknown_energy": float("inf")}, "give a number, or null"),
        ({"partial": "false"}, "give true or false"),
        ([], "give names with their values"),
    ],
)
def test_wrong_settings_are_named(settings: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        EventRules.from_dict(settings)
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(settings))
    with pytest.raises(DataError, match=words) as caught:
        EventRules.read(path)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "null", "3", '{"default": 3}', '{"per_label": {"a": 1}}', "\xff\xfe"]
)
def test_files_that_are_no_rules_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="not a file of event rules"):
        EventRules.read(path)
    with pytest.raises(DataError, match=r"missing\.json: cannot be read"):
        EventRules.read(tmp_path / "missing.json")


def test_an_event_that_is_none_is_named() -> None:
    assert Event.from_dict(
        {"label": "a", "start": 0, "end": 1, "peak": 1, "peak_time": 0, "mean": 1, "new": 3}
    ).label
    with pytest.raises(DataError, match="not an event"):
        Event.from_dict({"label": "a"})
    with pytest.raises(DataError, match="not an event"):
        Event.from_dict({"label": "a", "start": "x", "end": 1, "peak": 1, "peak_time": 0, "mean": 1})

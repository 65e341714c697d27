"""Settings of a training: what cannot be is refused with what can, and what is saved comes back."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.training import Refit, TrainSettings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epoch", 3, "did you mean 'epochs'?"),
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", True, "a whole number of at least 1"),
        ("batch_size", "8", "a whole number of at least 1"),
        ("seed", -1, "a whole number of at least 0"),
        ("seed", "x", "a whole number"),
        ("learning_rate", "fast", "give a number"),
        ("learning_rate", 0, "above 0"),
        ("learning_rate", math.nan, "give a number"),
        ("mixup", "much", "give a number"),
        ("label_smoothing", 1.0, "from 0 to below 1"),
        ("class_weights", "even", "balanced or none"),
        ("flip", "no", "true or false"),
        ("precision", "float8", "auto or 32-true"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainSettings.from_dict({name: value})
    assert words in str(caught.value)


def test_settings_are_saved_whole() -> None:
    wanted = TrainSettings(epochs=3, learning_rate=0.05, class_weights="none")
    assert TrainSettings.from_dict(wanted.to_dict()) == wanted


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": "heads,all"}, "give 'head', a number of blocks, or 'all'"),
        ({"stages": "0"}, "give 'head', a number of blocks, or 'all'"),
        ({"stages": [{"head": 1}]}, "give 'head', a number of blocks, or 'all'"),
        ({"stage_rate": 0}, "a factor above 0 and up to 1"),
        ({"layer_decay": 1.5}, "a factor above 0 and up to 1"),
        ({"ema": 1.0}, "a decay from 0 to below 1"),
        ({"rand_magnitude": 31}, "from 0 to 30"),
        ({"accumulate": 0}, "a whole number of at least 1"),
        ({"accumulate": 9, "batch_size": 8}, "a step has 8 clips"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainSettings.from_dict(changes)
    assert words in str(caught.value)


def test_rounds_are_written_in_several_ways() -> None:
    for stages in ("head,2,all", ["head", 2, "all"], "head, 2, all"):
        found = TrainSettings.from_dict({"stages": stages})
        assert found.rounds == ["head", 2, "all"] and found.stages == "head,2,all"
        assert TrainSettings.from_dict(found.to_dict()) == found
    assert TrainSettings(stages=2).rounds == [2]
    assert TrainSettings().rounds == ["all"]


def test_where_the_temperature_of_a_refit_comes_from_is_said() -> None:
    assert Refit("", 0.6874).calibration == (
        "Temperature 0.687, found by log loss on the items that the search held out; this model has learned from those too, "
        "with the same settings."
    )
    assert Refit("", 1.0).calibration == (
        "Temperature kept at 1: every item that the search held out was answered right."
    )
    assert Refit("").calibration.startswith("No temperature was fitted")

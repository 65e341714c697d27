"""What an estimate means in plain words, and which takes are left out together."""

from __future__ import annotations

import pytest

from kinema.training.teaching import Answer, Estimate, verdict
from kinema.training.teaching.estimate import leave_out


def estimate_of(answers: dict[str, list[str]]) -> Estimate:
    """An estimate in which the takes of each label got these answers."""
    made = [
        Answer(f"{label}{number}", label, answer, 0.8)
        for label, own in answers.items()
        for number, answer in enumerate(own)
    ]
    return Estimate(list(answers), made)


def test_three_of_eight_mistaken_names_the_action_that_lacks_takes() -> None:
    found = estimate_of({"wave": ["clap", "clap", "clap", "wave"], "clap": ["clap", "clap", "clap", "clap"]})
    said = verdict(found, {"wave": 4, "clap": 4})
    assert said.headline == "3 of 8 takes were taken for something else: record more takes of 'wave'"
    # Clopper and Pearson 1934 of 5 in 8: 24.5 to 91.5 % (R: binom.test(5, 8)).
    assert "5 of 8 right means a share of 24 % to 91 % with 95 % confidence" in said.sentences[0]
    assert "'wave' was taken for 'clap' in 3 of 4 takes." in said.sentences
    assert said.level == "poor"
    assert any(sentence.startswith("Guessing would be right 50 % of the time") for sentence in said.sentences)


def test_all_of_eight_right_is_good_and_still_tells_how_little_eight_takes_are() -> None:
    said = verdict(estimate_of({"wave": ["wave"] * 4, "clap": ["clap"] * 4}), {"wave": 4, "clap": 4})
    assert (said.level, said.headline) == ("good", "All 8 takes were recognized")
    # binom.test(8, 8): from 63.06 %.
    assert "8 of 8 right means a share of 63 % to 100 %" in said.sentences[0]
    assert len(said.sentences) == 1


def test_all_of_four_right_is_no_more_than_a_beginning() -> None:
    said = verdict(estimate_of({"wave": ["wave"] * 2, "clap": ["clap"] * 2}), {"wave": 2, "clap": 2})
    # binom.test(4, 4): from 39.8 %, and guessing is right half of the time.
    assert said.level == "fair"
    assert said.sentences[-1] == (
        "Few takes say little ('wave' has 2 takes, 'clap' has 2 takes): 4 of each action are better."
    )


def test_one_of_twelve_mistaken_is_good() -> None:
    answers = {"wave": ["wave"] * 4, "clap": ["clap"] * 4, "nothing": ["nothing"] * 3 + ["clap"]}
    said = verdict(estimate_of(answers), {"wave": 4, "clap": 4, "nothing": 4})
    assert said.level == "good"
    assert said.headline == "1 of 12 takes was taken for something else: record more takes of 'nothing'"


def test_without_a_second_take_there_is_no_number() -> None:
    said = verdict(None, {"wave": 1, "clap": 4})
    assert (said.level, said.headline) == ("unknown", "Too few takes for an estimate")
    assert said.sentences[-1] == "Record another take of 'wave'."


def test_the_estimate_as_json_counts_what_was_taken_for_what() -> None:
    found = estimate_of({"wave": ["wave", "clap"], "clap": ["clap", "clap", "clap"]}).to_dict()
    assert (found["takes"], found["right"], found["accuracy"], found["chance"]) == (5, 4, 0.8, 0.6)
    assert found["labels"][0] == {
        "label": "wave",
        "takes": 2,
        "right": 1,
        "taken_for": {"wave": 1, "clap": 1},
    }
    assert found["protocol"] == "leave one take out"
    # binom.test(4, 5): 0.2835821 to 0.9949492
    assert (found["low"], found["high"]) == pytest.approx((0.2835821, 0.9949492), abs=1e-6)


def test_no_take_is_left_out_twice_and_none_is_forgotten() -> None:
    groups = [f"take{i}" for i in range(50)]
    targets = [i % 2 for i in range(50)]
    parts = leave_out(groups, targets, most=10)
    assert len(parts) == 10
    assert sorted(row for part in parts for row in part) == list(range(50))
    # 25 takes of each class in 10 parts: two or three of each class in a part.
    assert all(2 <= sum(targets[row] == 0 for row in part) <= 3 for part in parts)


def test_takes_of_one_group_are_left_out_together() -> None:
    assert leave_out(["a", "b", "a", "c", "b"], [0, 0, 0, 1, 1]) == [[0, 2], [1, 4], [3]]

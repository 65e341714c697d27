"""The report: one file that needs nothing else, judges its own numbers, and agrees with results.json."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinema.errors import DataError
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY, majority_class
from kinema.evaluation.cross_validation import fold_table, pool_folds
from kinema.evaluation.report import write_pictures, write_report
from kinema.evaluation.scores import Scores, to_video
from kinema.evaluation.summary import ReportData, SplitScores, jsonable, summarise

ODD = '<b>"x"&'


def clips(
    classes: list[str], split: str, right: float, groups: int, per: int = 2, sure: float = 2.0
) -> Scores:
    """Synthetic: two windows a segment, a share `right` of each group's segments answered rightly."""
    rows, logits = [], []
    for g in range(groups):
        count = per * len(classes)
        for i in range(count):
            truth = i % len(classes)
            said = truth if (i * 7 + g * 3) % count < right * count else (truth + 1) % len(classes)
            for window in range(2):
                rows.append(
                    (f"{split}/g{g}_{i}.avi", 0.0, 2.0, classes[truth], split, f"{split}{g}", 1.0 + window)
                )
                logits.append(np.eye(len(classes))[said] * sure)
    columns = ["video", "start", "end", "label", "split", "group", "time"]
    return Scores(classes, pd.DataFrame(rows, columns=columns), np.array(logits), "clip")


def data_of(classes: list[str], tmp_path: Path, **changes: Any) -> ReportData:
    train, valid, test = (
        clips(classes, "train", 0.8, 12),
        clips(classes, "valid", 0.8, 8),
        clips(classes, "test", 0.75, 12, per=6),
    )
    settings: dict[str, Any] = {
        "classes": classes,
        "protocol": "Synthetic scores, groups disjoint.",
        "splits": {"train": SplitScores(train), "valid": SplitScores(valid), "test": SplitScores(test)},
        "root": tmp_path,
        "baselines": {MAJORITY: {"test": majority_class(train.table["label"], to_video(test))}},
        "history": pd.DataFrame(
            {"epoch": [1, 2], "train_loss": [1.0, 0.5], "valid_loss": [1.1, float("nan")]}
        ),
        "temperature": 1.5,
        "params": {"model": "lrcn", "rate": 0.001, "nested": {ODD: [1, 2]}},
        "provenance": {"date": pd.Timestamp("2026-01-02"), "path": tmp_path},
    }
    return ReportData(**{**settings, **changes})


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attributes if name in {"src", "href", "srcset", "data"}
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("count", [2, 6, 101])
def test_the_report_is_one_file_without_scripts_or_addresses(tmp_path: Path, count: int) -> None:
    classes = [ODD, *(f"class{i}" for i in range(1, count))]
    path = write_report(tmp_path / "run", data_of(classes, tmp_path))
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path.name == "report.html"
    assert page.addresses and all(value.startswith("data:image/") for value in page.addresses)
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    assert not {"script", "iframe", "link"} & set(page.tags)
    assert ODD not in text
    assert f"{ODD} " in page.text
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_the_page_and_the_json_say_the_same(tmp_path: Path) -> None:
    report = data_of(["a", "b", "c"], tmp_path)
    summary = summarise(report)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    text = Page(write_report(tmp_path, report, summary).read_text(encoding="utf-8")).text
    test = summary["splits"]["test"]
    # 12 groups of 18 segments, of which 14 (the numbers below 13.5) are right.
    assert test["video"]["items"] == 216
    assert test["clip"]["items"] == 432
    assert test["video"]["top1"]["value"] == pytest.approx(14 / 18)
    assert "77.8 %" in text.replace("\u202f", " ")
    assert summary["headline"]["top1"] == test["video"]["top1"]
    assert summary["baselines"][MAJORITY]["test"]["top1"]["value"] == pytest.approx(1 / 3)
    assert summary["baselines"][MAJORITY]["test"]["difference"]["value"] == pytest.approx(14 / 18 - 1 / 3)
    assert summary["history"]["valid_loss"] == [1.1, None]
    assert summary["provenance"]["date"] == "2026-01-02T00:00:00"


def test_video_level_averages_calibrated_windows_and_both_are_reported(tmp_path: Path) -> None:
    report = data_of(["a", "b"], tmp_path)
    found = summarise(report)["calibration"]["test"]
    # Every window scores 2 against 0: probability 1 / (1 + exp(-2 / T)).
    assert found["clip"]["before"]["mean_confidence"] == pytest.approx(0.880797, abs=1e-6)
    assert found["video"]["after"]["mean_confidence"] == pytest.approx(1 / (1 + np.exp(-2 / 1.5)))
    assert "train" not in summarise(report)["calibration"]


def test_worst_mistakes_are_the_surest_wrong_answers(tmp_path: Path) -> None:
    table = pd.DataFrame({"video": ["x", "y", "z"], "start": None, "end": None, "label": ["a", "a", "a"]})
    table["split"], table["group"] = "test", ["1", "2", "3"]
    scores = Scores(["a", "b"], table, np.log([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]]), "video")
    report = ReportData(["a", "b"], "p", {"test": SplitScores(video=scores)}, tmp_path)
    found = summarise(report)["mistakes"]
    assert [item["video"] for item in found] == ["y", "x"]
    assert found[0]["probability"] == pytest.approx(0.9)
    assert found[0]["start"] is None
    text = Page(write_report(tmp_path, report).read_text(encoding="utf-8")).text
    assert "No picture" in text and "a 10 %" in text.replace("\u202f", " ")


def caveats(report: ReportData) -> dict[str, dict[str, str]]:
    return {item["code"]: item for item in summarise(report)["caveats"]}


def test_a_gap_between_train_and_test_is_called_over_fitting(tmp_path: Path) -> None:
    classes = ["a", "b", "c"]
    base = data_of(classes, tmp_path)
    assert "over-fitting" not in caveats(base)
    base.splits["train"] = SplitScores(clips(classes, "train", 1.0, 12))
    base.splits["test"] = SplitScores(clips(classes, "test", 0.4, 12, per=6))
    base.baselines = {}
    found = caveats(base)["over-fitting"]
    assert found["level"] == "serious"
    assert "100.0 % on train against 44.4 % on test, 55.6 points apart" in found["text"]


def test_leaks_are_found_and_given_ones_are_repeated(tmp_path: Path) -> None:
    classes = ["a", "b"]
    report = data_of(classes, tmp_path, leaks=["12 frames of v1 are in train and test."])
    test = report.splits["test"].clip
    assert test is not None
    shared = test.table.assign(group=["train3" if g == "test0" else g for g in test.table["group"]])
    report.splits["test"] = SplitScores(Scores(classes, shared, test.logits, "clip"))
    texts = [item["text"] for item in summarise(report)["caveats"] if item["code"] == "leak"]
    assert any("12 frames of v1" in text for text in texts)
    assert any("group in both train and test: train3" in text for text in texts)


def test_not_beating_the_baselines_is_said(tmp_path: Path) -> None:
    report = data_of(["a", "b"], tmp_path)
    test = report.splits["test"].at_video(1.5)
    report.baselines = {MAJORITY: {"test": test}, FRAME_AVERAGING: {"test": test}}
    found = caveats(report)
    assert found["majority"]["level"] == "serious"
    assert found["frame-averaging"]["text"].startswith(
        "The model is no better than the baseline 'frame averaging'"
    )


def test_few_groups_few_items_and_missing_test_are_said(tmp_path: Path) -> None:
    classes = ["a", "b", "never"]
    scores = clips(["a", "b"], "valid", 0.75, 3)
    padded = np.pad(scores.logits, ((0, 0), (0, 1)), constant_values=-5.0)
    report = data_of(classes, tmp_path, baselines={})
    report.splits = {"valid": SplitScores(Scores(classes, scores.table, padded, "clip"))}
    found = caveats(report)
    assert "3 groups cannot show" in found["few-groups"]["text"]
    assert "chose the weights" in found["no-test"]["text"]
    assert found["absent-class"]["text"].endswith("never.")
    assert "a (6), b (6)" in found["few-items"]["text"]
    text = write_report(tmp_path, report).read_text(encoding="utf-8")
    assert "no interval" in text and "nan" not in Page(text).text.lower().split()


def test_bad_calibration_is_said_only_beyond_chance(tmp_path: Path) -> None:
    classes = ["a", "b"]
    sure = data_of(classes, tmp_path, temperature=None)
    sure.splits["test"] = SplitScores(clips(classes, "test", 0.75, 12, per=6, sure=9.0))
    assert "over-confident on test" in caveats(sure)["calibration"]["text"]
    # Right 9 times in 12, probability 0.75: nothing to say.
    fair = data_of(classes, tmp_path, temperature=None)
    fair.splits["test"] = SplitScores(clips(classes, "test", 0.75, 12, per=6, sure=float(np.log(3))))
    assert "calibration" not in caveats(fair)


def test_folds_are_shown_with_mean_and_deviation(tmp_path: Path) -> None:
    classes = ["a", "b"]
    test = to_video(clips(classes, "test", 0.75, 6))
    groups = test.groups
    folds = [test.take(np.flatnonzero(groups == name)) for name in sorted(set(groups.tolist()))]
    report = ReportData(
        classes,
        "Leave one group out.",
        {"test": SplitScores(video=pool_folds(folds))},
        tmp_path,
        folds=fold_table(folds),
    )
    summary = summarise(report)
    assert len(summary["folds"]["rows"]) == 6
    assert summary["folds"]["over_folds"]["top1"]["mean"] == pytest.approx(0.75)
    text = Page(write_report(tmp_path, report).read_text(encoding="utf-8")).text
    assert "mean ± sd" in text and "0.750 ± 0.000" in text


def test_pictures_and_matrices_are_files_too(tmp_path: Path) -> None:
    written = write_pictures(tmp_path, summarise(data_of(["a", ODD], tmp_path)))
    names = {path.name for path in written}
    assert {"confusion_matrix.png", "confusion_matrix.csv", "loss_curve.png"} <= names
    assert {"confusion_matrix_normalised.png", "confusion_matrix_normalised.csv"} <= names
    table = pd.read_csv(tmp_path / "confusion_matrix.csv", index_col="true")
    assert table.to_numpy().sum() == 144
    assert list(table.columns) == ["a", ODD]


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to report"):
        summarise(ReportData(["a"], "p", {}, tmp_path))


def test_numbers_that_json_lacks_become_null() -> None:
    value = {"x": [np.float32("nan"), np.int64(3), float("inf"), np.bool_(True)], 4: (Path("a"), {"b"})}
    assert jsonable(value) == {"x": [None, 3, None, True], "4": ["a", ["b"]]}

"""`evaluate_events`: whole videos, splits that are kept apart, files, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.evaluation.events.evaluate import evaluate_events
from kinema.events import EventRules, LabelRule
from kinema.models.prediction import Job, TimelineChunk
from kinema.video import VideoWriter, open_source

RULES = EventRules("none", default=LabelRule(0.6, 0.5, 0.4, 2, 0.0), partial=True)


@dataclass
class Brightness:
    """A test double of `Recognizer`: the brighter a picture, the surer of "light"; "background" otherwise."""

    classes: list[str] = field(default_factory=lambda: ["background", "light"])
    temperature: float = 1.0
    name: str = "brightness"
    folder: Path | None = None
    provenance: dict[str, Any] = field(
        default_factory=lambda: {"train_labels": {"background": 3, "light": 2}}
    )
    asked: list[Job] = field(default_factory=list)
    stop: bool = False

    @property
    def spec(self) -> ClipSpec:
        return ClipSpec(frames=2, fps=5, height=8, width=8)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        exp = np.exp(logits)
        return (exp / exp.sum(axis=-1, keepdims=True)).astype(np.float32)

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
        for number, job in enumerate(jobs):
            if self.stop and number:
                raise KeyboardInterrupt
            self.asked.append(job)
            indices: list[int] = []
            seen: list[float] = []

            def note(index: int, time: float, to: tuple[list[int], list[float]] = (indices, seen)) -> None:
                to[0].append(index)
                to[1].append(time)

            with open_source(Path(job.video)) as source:  # type: ignore[arg-type]
                pictures = list(self.spec.pictures(source, job.start or 0.0, job.end, note))
            logits = [[0.0, (float(picture.image.mean()) - 100) / 20] for picture in pictures]
            yield TimelineChunk(
                number,
                np.array([picture.time for picture in pictures]),
                np.array(logits, np.float32),
                np.arange(len(pictures)) >= 1,
                np.array(seen),
                np.array(indices, np.int64),
                True,
            )


def write_video(path: Path, seconds: float, light: tuple[float, float] | None, level: int = 200) -> Path:
    """Synthetic: dark, and light between two moments."""
    with VideoWriter(path, 10) as out:
        for index in range(round(10 * seconds)):
            bright = light is not None and light[0] <= index / 10 < light[1]
            out.write(np.full((32, 32, 3), level if bright else 20, np.uint8))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos of 8 s: in two of valid and three of test it is light for a while; in the fourth nothing happens,
    in the fifth it is light and nobody has labelled it."""
    root = tmp_path_factory.mktemp("synthetic events")
    rows = []
    for name, split, light, label in (
        ("v1", "valid", (2.0, 5.0), True),
        ("v2", "valid", (3.0, 6.0), True),
        ("t1", "test", (2.0, 5.0), True),
        ("t2", "test", (1.0, 4.0), True),
        ("t3", "test", (4.0, 7.0), True),
        ("t4", "test", None, False),
        ("t5", "test", (3.0, 5.0), False),
    ):
        write_video(root / f"{name}.mp4", 8, light)
        times = light if label and light else ("", "")
        rows.append([f"{name}.mp4", *times, "light" if label else "", split, name])
    with (root / "segments.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "start", "end", "label", "split", "group"])
        writer.writerows(rows)
        writer.writerow(["t2.mp4", 5.0, 7.5, "background", "test", "t2"])
    return root / "segments.csv"


def score(data: Path | Manifest, recognizer: Brightness | None = None, **settings: Any) -> dict[str, Any]:
    return evaluate_events(recognizer or Brightness(), data, **settings)  # type: ignore[arg-type]


def test_whole_videos_are_scored_and_silence_counts(data: Path) -> None:
    found = score(data, rules=RULES)
    numbers = found["numbers"]
    assert found["labels"] == ["light"]  # "background" makes no events, as its name says
    assert (numbers["videos"], numbers["segments"], numbers["events"]) == (5, 3, 4)
    assert numbers["hours"] == pytest.approx(40 / 3600, rel=1e-3)
    assert numbers["at"]["0.5"]["f1"]["value"] == pytest.approx(6 / 7)
    # 40 s less three times 3 s, and one event that nobody has labelled.
    assert numbers["false_alarms"]["per_hour"]["value"] == pytest.approx(3600 / 31, rel=1e-3)
    assert found["false_alarms"][0]["video"] == "t5.mp4"
    assert found["false_alarms"][0]["start"] == pytest.approx(3.0, abs=0.21)
    assert numbers["delay"]["median"] == pytest.approx(0.4, abs=0.05)  # the rules wait so long
    assert found["misses"] == []


def test_baselines_stand_beside_it(data: Path) -> None:
    by_name = {one["name"]: one for one in score(data, rules=RULES)["baselines"]}
    assert set(by_name) == {"per-frame threshold 0.5", "always 'light'", "no events at all"}
    nothing = by_name["no events at all"]["numbers"]
    assert nothing["at"]["0.5"]["f1"]["value"] == 0.0
    assert nothing["detection"]["missed"] == 3
    always = by_name["always 'light'"]["numbers"]
    assert always["at"]["0.3"]["f1"]["value"] == pytest.approx(6 / 8)  # tIoU 3/8
    assert always["at"]["0.5"]["f1"]["value"] == 0.0
    assert always["false_alarms"]["count"] == 2
    assert by_name["no events at all"]["difference"]["value"] == pytest.approx(6 / 7)


def test_rules_are_chosen_on_valid_and_stored_with_the_recognizer(data: Path, tmp_path: Path) -> None:
    recognizer = Brightness(folder=tmp_path / "recognizer")
    (tmp_path / "recognizer").mkdir()
    found = score(data, recognizer, choose_on="valid", write=True, out=tmp_path / "out")
    assert (found["chosen"]["right"], found["chosen"]["truth"]) == (2, 2)
    assert found["numbers"]["videos"] == 5
    stored = EventRules.of(tmp_path / "recognizer")
    assert stored.to_dict() == found["rules"]
    assert stored.background == ("background",)
    assert any(one["name"].startswith("per-frame threshold chosen on valid") for one in found["baselines"])
    assert any("2 segments, which is few" in item["text"] for item in found["caveats"])
    # Choosing again, and with the rules that are now stored, gives the same without looking at a video again.
    recognizer.asked.clear()
    again = score(data, recognizer, rows=tmp_path / "out" / "rows")
    assert recognizer.asked == []
    assert again["numbers"] == found["numbers"]


def test_test_is_not_looked_at_when_rules_are_chosen(data: Path) -> None:
    manifest = Manifest.read(data)
    table = manifest.table.copy()
    table.loc[table["split"] == "test", ["start", "end"]] = (0.1, 0.5)  # nonsense
    wrong = score(manifest.replace(table), choose_on="valid")
    right = score(data, choose_on="valid")
    assert wrong["rules"] == right["rules"]
    assert wrong["numbers"]["at"]["0.5"]["f1"] != right["numbers"]["at"]["0.5"]["f1"]


def test_the_files(data: Path, tmp_path: Path) -> None:
    found = score(data, rules=RULES, out=tmp_path)
    assert json.loads((tmp_path / "events.json").read_text()) == found
    with (tmp_path / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["kind"], row["right"], row["false_alarm"]) for row in rows] == [
        ("t1.mp4", "truth", "1", ""),
        ("t1.mp4", "found", "1", "0"),
        ("t2.mp4", "truth", "1", ""),
        ("t2.mp4", "found", "1", "0"),
        ("t3.mp4", "truth", "1", ""),
        ("t3.mp4", "found", "1", "0"),
        ("t5.mp4", "found", "0", "1"),
    ]
    assert float(rows[0]["start"]) == 2.0 and float(rows[0]["end"]) == 5.0
    page = (tmp_path / "events.html").read_text()
    assert "85.7" in page and "t5.mp4" in page and "<script" not in page
    assert "No interval" not in page and "Only 5 groups" in page


def test_a_stopped_call_goes_on(data: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        score(data, Brightness(stop=True), rules=RULES, out=tmp_path)
    assert not (tmp_path / "events.json").exists()
    recognizer = Brightness()
    score(data, recognizer, rules=RULES, out=tmp_path)
    assert len(recognizer.asked) == 4  # of five


def test_trimmed_clips_are_called_so(data: Path) -> None:
    rows = {"video": ["t1.mp4", "t2.mp4"], "label": ["light", "light"], "group": ["a", "b"]}
    found = score(Manifest(rows, data.parent), rules=RULES)
    assert found["trimmed"] == 2
    assert any("Every video is trimmed" in item["text"] for item in found["caveats"])
    assert found["numbers"]["false_alarms"]["per_hour"] is None
    assert any("No interval: 2 groups" in item["text"] for item in found["caveats"])


def test_a_segment_behind_the_end_is_a_problem_and_one_past_it_is_cut(data: Path) -> None:
    rows = {"video": ["t1.mp4", "t1.mp4"], "start": [2.0, 60.0], "end": [99.0, 70.0], "label": ["light"] * 2}
    found = score(Manifest(rows, data.parent), rules=RULES)
    assert found["numbers"]["segments"] == 1
    assert found["timelines"][0]["lanes"][0]["truth"][0]["end"] == pytest.approx(8.0, abs=0.05)
    assert found["problems"] == [
        "t1.mp4: 'light' from 60 s begins behind the end of the video (8 s) and is left out"
    ]


def test_a_video_that_cannot_be_read_is_named_and_the_rest_is_scored(data: Path) -> None:
    rows = {"video": ["t1.mp4", "gone.mp4"], "start": [2.0, 1.0], "end": [5.0, 2.0], "label": ["light"] * 2}

    class Careful(Brightness):
        def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
            for number, job in enumerate(jobs):
                if Path(job.video).exists():  # type: ignore[arg-type]
                    for chunk in super().timeline([job]):
                        chunk.job = number
                        yield chunk
                    continue
                empty = np.zeros(0)
                error = DataError(f"{job.video}: no such file")
                yield TimelineChunk(
                    number, empty, np.zeros((0, 2), np.float32), empty.astype(bool), empty, empty.astype(np.int64),
                    True, error,
                )  # fmt: skip

    found = score(Manifest(rows, data.parent), Careful(), rules=RULES)
    assert found["numbers"]["videos"] == 1
    assert "gone.mp4: no such file" in found["problems"][0]
    with pytest.raises(DataError, match=r"no video could be read; first: .*gone\.mp4"):
        score(Manifest({"video": ["gone.mp4"], "label": ["light"]}, data.parent), Careful(), rules=RULES)


def test_groups_in_both_splits_are_said(data: Path) -> None:
    manifest = Manifest.read(data)
    shared = manifest.replace(manifest.table.assign(group="one camera"))
    caveats = score(shared, choose_on="valid")["caveats"]
    assert caveats[0] == {
        "level": "serious",
        "text": "1 group is in more than one split (one camera): the numbers are too good.",
    }


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"choose_on": "test"}, UsageError, "scored on the videos they were chosen on"),
        ({"choose_on": "train"}, UsageError, "knows these videos by heart"),
        ({"choose_on": "test", "split": "valid"}, UsageError, "test is for the last look alone"),
        ({"split": "train"}, DataError, "no row of split 'train'; it has valid, test"),
        ({"rules": EventRules(labels=("dark",))}, UsageError, "'dark'"),
        ({"rules": EventRules(background=("light", "background"))}, UsageError, "no class is left"),
        ({"write": True}, UsageError, "never saved"),
    ],
)
def test_what_makes_no_sense_is_refused(
    data: Path, settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        score(data, **settings)


def test_without_valid_nothing_is_chosen(data: Path) -> None:
    manifest = Manifest.read(data)
    alone = manifest.replace(manifest.table.assign(split="test"))
    with pytest.raises(
        DataError, match="no valid split to choose event rules on, and training videos cannot stand in"
    ):
        score(alone, false_alarms_per_hour=3.0)


def test_labels_that_the_recognizer_does_not_know(data: Path) -> None:
    rows = {"video": ["t1.mp4"], "start": [2.0], "end": [5.0], "label": ["thunder"]}
    with pytest.raises(DataError, match="label 'thunder' is not a class"):
        score(Manifest(rows, data.parent))


def test_a_report_shows_events_where_it_has_them(data: Path, tmp_path: Path) -> None:
    from kinema.evaluation import ReportData, Scores, SplitScores
    from kinema.evaluation.evaluate import publish

    table = pd.DataFrame(
        {
            "video": ["t1.mp4", "t2.mp4"],
            "start": [2.0, 5.0],
            "end": [5.0, 7.5],
            "label": ["light", "background"],
            "split": "test",
            "group": ["t1", "t2"],
            "time": [3.0, 6.0],
        }
    )
    logits = np.array([[0.0, 3.0], [3.0, 0.0]])
    classes = ["background", "light"]
    clips = SplitScores(clip=Scores(classes, table, logits, "clip"))
    report = ReportData(classes, "protocol", {"test": clips}, data.parent)
    plain = publish(report, tmp_path / "plain")
    assert plain["report"]["events"] is None
    assert "Events in whole videos" not in (tmp_path / "plain" / "report.html").read_text()
    report.events = score(data, rules=RULES)
    publish(report, tmp_path / "with")
    page = (tmp_path / "with" / "report.html").read_text()
    assert "Events in whole videos" in page and "85.7" in page and "t5.mp4" in page
    stored = json.loads((tmp_path / "with" / "results.json").read_text())
    assert stored["report"]["events"]["numbers"]["segments"] == 3

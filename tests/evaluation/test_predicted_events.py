"""Events that `predict_to_folder` writes: what they are, when they are found anew, and that nothing else is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.evaluation.predictions import predict_to_folder
from kinema.events import Event, EventRules, LabelRule, events_of
from kinema.models.prediction import Job, TimelineChunk

RAW = EventRules("none", background=("idle",), default=LabelRule(0.6, 0.4, 0.0, 2, 0.0, 0.0))


@dataclass
class Scripted:
    """A test double of `Recognizer`: a row a second whose probabilities of fall and idle the video's file itself lists.

    A `!` behind a number makes both logits larger by 10, which softmax does not see and the energy does.
    """

    folder: Path | None = None
    temperature: float = 1.0
    stop_at: str | None = None
    classes: list[str] = field(default_factory=lambda: ["fall", "idle"])
    asked: list[str] = field(default_factory=list)

    spec = ClipSpec(frames=2, fps=1, height=8, width=8)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        exp = np.exp(logits / self.temperature)
        return (exp / exp.sum(axis=-1, keepdims=True)).astype(np.float32)

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
        for number, job in enumerate(jobs):
            assert isinstance(job.video, Path)
            if job.video.stem == self.stop_at:
                raise KeyboardInterrupt
            self.asked.append(job.video.stem)
            words = job.video.read_text().split()
            if words == ["unreadable"]:
                nothing = np.zeros(0)
                yield TimelineChunk(
                    number, nothing, np.zeros((0, 2), np.float32), nothing.astype(bool), nothing,
                    nothing.astype(int), last=True, error=DataError(f"{job.video}: unreadable"),
                )  # fmt: skip
                continue
            values = np.array([float(word.rstrip("!")) for word in words])
            logits = np.log(np.stack([values, 1 - values], axis=1))
            logits += np.array([10.0 * word.endswith("!") for word in words])[:, None]
            times = np.arange(len(values), dtype=float)
            yield TimelineChunk(
                number, times, logits.astype(np.float32), times >= 1, times, times.astype(int), last=True
            )


def write(path: Path, text: str = "0.1 0.9 0.7 0.1 0.1 0.9 0.9 0.5 0.1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def table(out: Path) -> list[dict[str, str]]:
    with (out / "events.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stored(out: Path, name: str = "v") -> dict:
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


def test_events_are_in_the_json_and_in_one_table(tmp_path: Path) -> None:
    videos = [write(tmp_path / "in" / "v.mp4"), write(tmp_path / "in" / "a, b.mp4", "0.1 0.7 0.9")]
    run = predict_to_folder(Scripted(), videos, tmp_path / "out", annotate=False, rules=RAW)
    assert [video.event_count for video in run.videos] == [2, 1]
    assert run.events_csv == tmp_path / "out" / "events.csv"
    header, *_ = run.events_csv.read_text().splitlines()
    assert header == "video,label,start,end,seconds,peak,peak_time,mean,id"
    rows = table(tmp_path / "out")
    assert [(Path(r["video"]).name, r["label"], r["start"], r["end"], r["seconds"]) for r in rows] == [
        ("v.mp4", "fall", "1.0", "2.0", "1.0"),
        ("v.mp4", "fall", "5.0", "7.0", "2.0"),
        ("a, b.mp4", "fall", "1.0", "2.0", "1.0"),
    ]
    assert [float(row["peak"]) for row in rows] == pytest.approx([0.9, 0.9, 0.9])
    assert [float(row["peak_time"]) for row in rows] == [1.0, 5.0, 2.0]
    assert [float(row["mean"]) for row in rows] == pytest.approx([0.8, 2.3 / 3, 0.8])
    assert len({row["id"] for row in rows}) == 3

    about = stored(tmp_path / "out")
    assert EventRules.from_dict(about["event_rules"]) == RAW
    events = [Event.from_dict(event) for event in about["events"]]
    assert [event.id for event in events] == [row["id"] for row in rows[:2]]
    assert events[0].means == pytest.approx({"fall": 0.8, "idle": 0.2})
    assert events[0].source == str(videos[0]) and events[0].ended and events[0].alert
    assert about["segments"] and list(about)[-1] == "timeline"


def test_they_are_the_events_of_the_timeline_that_is_written(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    predict_to_folder(Scripted(), [video], tmp_path / "out", annotate=False, rules=replace(RAW, partial=True))
    about = stored(tmp_path / "out")
    lines = about["timeline"]
    found = events_of(
        np.array([line["time"] for line in lines]),
        np.array([line["probabilities"] for line in lines]),
        about["classes"],
        EventRules.from_dict(about["event_rules"]),
        end=9.0,
        full=np.array([line["full"] for line in lines]),
        source=str(video),
    )
    assert [event.to_dict()["id"] for event in found] == [event["id"] for event in about["events"]]
    assert len(found) == 2


def test_the_timeline_has_the_energy_of_each_row_at_the_temperature(tmp_path: Path) -> None:
    # logits log 0.2, log 0.8: the exponentials sum to 1 at T = 1; at T = 2 to sqrt(0.2) + sqrt(0.8) = 1.341641.
    video = write(tmp_path / "v.mp4", "0.2 0.2!")
    predict_to_folder(Scripted(), [video], tmp_path / "one", annotate=False)
    assert [line["energy"] for line in stored(tmp_path / "one")["timeline"]] == pytest.approx(
        [0, -10], abs=1e-5
    )
    predict_to_folder(Scripted(temperature=2.0), [video], tmp_path / "two", annotate=False)
    energies = [line["energy"] for line in stored(tmp_path / "two")["timeline"]]
    assert energies == pytest.approx([-0.587787, -10.587787], abs=1e-4)


def test_other_rules_change_the_events_and_compute_nothing_again(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4", "0.9 0.9 0.9 0.1 0.1 0.9! 0.9! 0.1")
    out = tmp_path / "out"
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=RAW)
    assert [(row["start"], row["end"]) for row in table(out)] == [("1.0", "2.0"), ("5.0", "6.0")]
    before, rows = stored(out), (out / "parts" / "v.rows").read_bytes()

    again = Scripted()
    merged = RAW.with_default(merge_gap=5.0)
    run = predict_to_folder(again, [video], out, annotate=False, rules=merged)
    assert again.asked == [] and run.videos[0].reused
    assert [(row["start"], row["end"]) for row in table(out)] == [("1.0", "6.0")]
    after = stored(out)
    assert after["event_rules"]["default"]["merge_gap"] == 5.0 and len(after["events"]) == 1
    unchanged = set(before) - {"events", "event_rules"}
    assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}
    assert (out / "parts" / "v.rows").read_bytes() == rows

    # Energies are kept, so that rules about them need no computation either: only the last two rows have -10.
    predict_to_folder(again, [video], out, annotate=False, rules=replace(RAW, unknown_energy=-5.0))
    assert again.asked == []
    assert [(row["start"], row["end"]) for row in table(out)] == [("5.0", "6.0")]


def test_the_same_rules_write_no_json_again(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    out = tmp_path / "out"
    rules = replace(RAW, per_label={"fall": LabelRule(0.6, 0.4, 0.0, 2, 0.0, 0.0)})
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=rules)
    table_before = (out / "events.csv").read_bytes()
    (out / "v.json").write_text("{}")  # would be replaced by a second writing
    run = predict_to_folder(Scripted(), [video], out, annotate=False, rules=rules)
    assert (out / "v.json").read_text() == "{}"
    assert (out / "events.csv").read_bytes() == table_before and run.videos[0].event_count == 2
    (out / "v.json").unlink()
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=rules)
    assert len(stored(out)["events"]) == 2


def test_rules_are_those_given_else_those_of_the_recognizer_else_the_default(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    folder = tmp_path / "recognizer"
    folder.mkdir()
    for name, recognizer, given, expected in (
        ("default", Scripted(folder), None, EventRules()),
        ("given", Scripted(folder), RAW, RAW),
    ):
        predict_to_folder(recognizer, [video], tmp_path / name, annotate=False, rules=given)
        assert EventRules.from_dict(stored(tmp_path / name)["event_rules"]) == expected
    own = RAW.with_default(enter=0.8)
    own.save(folder)
    predict_to_folder(Scripted(folder), [video], tmp_path / "own", annotate=False)
    assert EventRules.from_dict(stored(tmp_path / "own")["event_rules"]) == own
    predict_to_folder(Scripted(folder), [video], tmp_path / "given too", annotate=False, rules=RAW)
    assert EventRules.from_dict(stored(tmp_path / "given too")["event_rules"]) == RAW


def test_events_can_be_left_out_and_made_later(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    out = tmp_path / "out"
    run = predict_to_folder(Scripted(), [video], out, annotate=False, events=False)
    assert not run.with_events and run.videos[0].event_count is None
    assert not (out / "events.csv").exists() and "events" not in stored(out)
    again = Scripted()
    predict_to_folder(again, [video], out, annotate=False, rules=RAW)
    assert again.asked == [] and len(table(out)) == 2 and len(stored(out)["events"]) == 2


def test_rules_that_do_not_fit_are_told_before_anything_is_made(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    with pytest.raises(
        UsageError, match="event label 'fal': the recognizer does not know it; did you mean 'fall'"
    ):
        predict_to_folder(Scripted(), [video], tmp_path / "out", rules=EventRules(labels=("fal",)))
    assert not (tmp_path / "out").exists()


def test_a_video_without_rows_or_without_events_has_no_line(tmp_path: Path) -> None:
    videos = [
        write(tmp_path / f"{name}.mp4", text) for name, text in (("bad", "unreadable"), ("calm", "0.1 0.2"))
    ]
    run = predict_to_folder(Scripted(), videos, tmp_path / "out", annotate=False, rules=RAW)
    assert table(tmp_path / "out") == []
    assert [video.event_count for video in run.videos] == [None, 0]
    assert stored(tmp_path / "out", "calm")["events"] == []


def test_after_ctrl_c_the_table_has_what_was_finished_and_the_next_call_completes_it(tmp_path: Path) -> None:
    videos = [write(tmp_path / f"{name}.mp4") for name in ("a", "b")]
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict_to_folder(Scripted(stop_at="b"), videos, out, annotate=False, rules=RAW)
    assert {Path(row["video"]).name for row in table(out)} == {"a.mp4"}
    again = Scripted()
    predict_to_folder(again, videos, out, annotate=False, rules=RAW)
    assert again.asked == ["b"]
    rows = table(out)
    assert [Path(row["video"]).name for row in rows] == ["a.mp4", "a.mp4", "b.mp4", "b.mp4"]
    assert len({row["id"] for row in rows}) == 4


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"rules": 1}', b"\xff\xfe"])
def test_damaged_events_are_found_again(tmp_path: Path, damage: bytes) -> None:
    video = write(tmp_path / "v.mp4")
    out = tmp_path / "out"
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=RAW)
    (out / "parts" / "v.events").write_bytes(damage)
    again = Scripted()
    predict_to_folder(again, [video], out, annotate=False, rules=RAW)
    assert again.asked == [] and len(table(out)) == 2


def test_a_changed_video_has_events_of_its_own(tmp_path: Path) -> None:
    video = write(tmp_path / "v.mp4")
    out = tmp_path / "out"
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=RAW)
    write(video, "0.1 0.1 0.1 0.9 0.9 0.9 0.9 0.9 0.9 0.9")
    predict_to_folder(Scripted(), [video], out, annotate=False, rules=RAW)
    assert [(row["start"], row["end"]) for row in table(out)] == [("3.0", "9.0")]


def test_parts_without_energies_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write(tmp_path / "v.mp4")
    out = tmp_path / "out"
    with monkeypatch.context() as before:
        before.setattr("kinema.evaluation.predictions.ROWS_FORMAT", 1)
        predict_to_folder(Scripted(), [video], out, annotate=False, rules=RAW)
    again = Scripted()
    predict_to_folder(again, [video], out, annotate=False, rules=RAW)
    assert again.asked == ["v"] and len(table(out)) == 2

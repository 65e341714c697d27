"""Which clips to review next: measures with numbers of a hand calculation, choices in a plane, and the order for a pool."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kinema.cli.app import run as kinema
from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError
from kinema.mining.active import (
    STRATEGIES,
    choose_next,
    disagreement,
    entropy,
    margin,
    nearest,
    next_to_review,
    unit_rows,
    view_clips,
)
from kinema.mining.active.measures import ranks
from kinema.mining.review import ReviewFile, Verdict, candidates_of
from kinema.models import ClipSpec, Recognizer

EVEN = np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0]])


def test_uncertainty() -> None:
    assert margin(EVEN) == pytest.approx([1.0, 0.2, 0.0])
    assert margin(np.array([[0.5, 0.3, 0.2]])) == pytest.approx([0.8])
    assert margin(np.array([[1.0]])) == pytest.approx([0.0])
    assert entropy(EVEN) == pytest.approx(
        [1.0, 0.4689956, 0.0], abs=1e-6
    )  # of a coin that lands heads 9 times in 10
    assert entropy(np.full((1, 5), 0.2)) == pytest.approx([1.0])


def test_disagreement_is_in_bits() -> None:
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert disagreement(one, other) == pytest.approx([1.0])
    assert disagreement(one, one) == pytest.approx([0.0])
    # H(3/4, 1/4) - (H(1) + H(1/2, 1/2)) / 2 = 0.8112781 - 0.5
    assert disagreement(one, np.array([[0.5, 0.5]])) == pytest.approx([0.3112781], abs=1e-6)


def test_ranks_and_neighbours() -> None:
    assert ranks(np.array([3.0, 1.0, 1.0, 9.0])) == pytest.approx([2 / 3, 1 / 6, 1 / 6, 1.0])
    assert ranks(np.array([7.0])) == pytest.approx([0.0])
    rows = at([0, 90, 180, 10])
    places, distances = nearest(rows, rows, 2, same=True)
    assert places.tolist() == [[3, 1], [3, 0], [1, 3], [0, 1]]
    assert distances[0] == pytest.approx([2 * math.sin(math.radians(5)), math.sqrt(2)], abs=1e-5)
    places, distances = nearest(rows[:1], rows[1:], 9)
    assert places.tolist() == [[2, 0, 1]]
    assert nearest(rows, rows[:0], 3)[0].shape == (4, 0)
    assert unit_rows(np.array([[3.0, 0.0], [1.0, 0.0]])).tolist() == [[1.0, 0.0], [-1.0, 0.0]]


def at(degrees: list[float]) -> NDArray[np.float32]:
    """Points on the unit circle."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_unsure_ones_come_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8], [0.5, 0.5]])
    picks = choose_next(
        at([0, 90, 180, 270]), probabilities, at([45, 225]), [0, 1], 3, strategy="uncertainty"
    )
    assert [pick.row for pick in picks] == [3, 1, 2]
    assert picks[1].uncertainty == pytest.approx(0.9)


def test_those_far_from_what_is_known_come_first_and_not_twice() -> None:
    # Around the circle: known at 0; clips near it, twins at 180, one at 90, one at 265.
    features = at([5, 180, 181, 90, 265, 0])
    same = np.full((6, 2), 0.5)
    picks = choose_next(features[:5], same[:5], features[5:], [0], 3, strategy="coverage")
    assert {picks[0].row} <= {1, 2}
    assert {pick.row for pick in picks[1:]} == {3, 4}
    assert picks[0].coverage == pytest.approx(1.0)


def test_coverage_without_anything_known_begins_with_the_most_typical_clip() -> None:
    features = np.concatenate([np.random.default_rng(0).normal([4, 1], 0.2, (9, 2)), [[-4.0, 3.0]]])
    picks = choose_next(features, np.full((10, 2), 0.5), features[:0], [], 2, strategy="coverage")
    assert picks[0].row < 9
    assert picks[1].row == 9


def test_who_stands_among_others_is_asked_about() -> None:
    features = np.array([[1.0, 0.0], [1.0, 0.05], [-1.0, 0.0], [-1.0, 0.1], [1.0, -0.1], [-1.0, -0.1]])
    # Both clips of the pool are taken for class 1; the first stands among labelled clips of class 0.
    pool, known = features[[0, 2]], features[[1, 3, 4, 5]]
    picks = choose_next(
        pool,
        np.array([[0.1, 0.9], [0.1, 0.9]]),
        known,
        [0, 1, 0, 1],
        2,
        strategy="disagreement",
        neighbours=2,
    )
    assert [pick.row for pick in picks] == [0, 1]
    # H(0.55, 0.45) - (H(0.1, 0.9) + 0) / 2 = 0.9927745 - 0.2344978
    assert picks[0].disagreement == pytest.approx(0.7582767, abs=1e-6)
    assert sorted(picks[0].neighbours) == [2, 4]  # rows 0 and 2 of the known, behind the two of the pool


def test_a_mix_takes_no_twins() -> None:
    features = at([0, 0.1, 0.2, 120, 240, 180])
    leads = [0.5, 0.51, 0.52, 0.6, 0.62, 0.9]
    probabilities = np.array([[lead, 1 - lead] for lead in leads])
    unsure = choose_next(features, probabilities, at([60]), [0], 3, strategy="uncertainty")
    assert [pick.row for pick in unsure] == [0, 1, 2]
    assert [pick.row for pick in choose_next(features, probabilities, at([60]), [0], 3)] == [0, 3, 4]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("known", [0, 4])
def test_every_clip_comes_once_whatever_the_strategy(strategy: str, known: int) -> None:
    rng = np.random.default_rng(1)
    features, probabilities = rng.normal(size=(7, 5)), rng.dirichlet(np.ones(3), 7)
    labelled = rng.normal(size=(known, 5))
    picks = choose_next(
        features, probabilities, labelled, [0] * known, 20, strategy=strategy, measure="entropy"
    )
    assert sorted(pick.row for pick in picks) == list(range(7))
    assert all(0 <= pick.disagreement <= 1 and 0 <= pick.coverage <= 1 for pick in picks)
    one = choose_next(features[:1], probabilities[:1], labelled[:0], [], 5, strategy=strategy)
    assert [pick.row for pick in one] == [0]
    assert choose_next(features[:0], probabilities[:0], labelled, [0] * known, 5, strategy=strategy) == []


def test_unknown_words() -> None:
    with pytest.raises(UsageError, match="unknown strategy 'coverge'; did you mean 'coverage'"):
        choose_next(EVEN, EVEN, EVEN, [0, 0, 1], 1, strategy="coverge")
    with pytest.raises(UsageError, match="unknown measure 'gini'"):
        choose_next(EVEN, EVEN, EVEN, [0, 0, 1], 1, measure="gini")


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained recognizer of the default kind that sees small pictures."""
    import torch

    torch.manual_seed(0)
    made = Recognizer.create(
        "motion_moments", ["move", "stand"], ClipSpec(frames=4, fps=10.0, height=64, width=64)
    )
    return made.save(tmp_path_factory.mktemp("recognizer") / "run")


def test_views_describe_what_is_seen(recognizer: Path, two_actions: Path) -> None:
    """Clips that move are nearer to each other than to those that stand, on other grounds and of other people."""
    segments = read_data(two_actions).segments()
    views = view_clips(Recognizer.load(recognizer, runtime=None), segments)
    assert views.rows == list(range(16))
    assert views.features.shape == (16, 512)
    assert views.probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    rows = unit_rows(views.features)
    near, _ = nearest(rows, rows, 1, same=True)
    labels = [segment.label for segment in segments]
    assert sum(labels[row] == labels[int(other)] for row, other in enumerate(near[:, 0])) >= 12


def test_a_model_of_whole_clips_is_seen_with_the_bundled_network(two_actions: Path, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    made = Recognizer.create(
        "c3d_small", ["move", "stand"], ClipSpec(frames=11, fps=10.0, height=54, width=54)
    )
    segments = read_data(two_actions).segments()[:3]
    views = view_clips(Recognizer.load(made.save(tmp_path / "c3d"), runtime=None), segments)
    assert views.rows == [0, 1, 2]
    assert views.features.shape == (3, 512)
    assert views.probabilities.shape == (3, 2)


def test_next_to_review(recognizer: Path, two_actions: Path, tmp_path: Path) -> None:
    manifest = read_data(two_actions)
    known = manifest.filter(where="group in ['person01', 'person02']")
    found = next_to_review(recognizer, manifest, 5, labelled=known)
    assert found.notes == ["4 clips passed over: labelled already"]
    table = found.manifest.table
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert not set(table["group"]) & {"person01", "person02"}
    assert set(table["label"]) <= {"move", "stand"}
    assert all(table["reason"])
    assert table["uncertainty"].between(0, 1).all()
    path = found.manifest.write(tmp_path / "next.csv")
    again = Manifest.read(path)
    assert all(segment.video.is_file() for segment in again.segments())
    with pytest.raises(DataError, match="every clip of this pool is labelled or decided on already"):
        next_to_review(recognizer, known, labelled=known)


def test_unlabelled_clips_get_the_recognizers_answer(recognizer: Path, two_actions: Path) -> None:
    manifest = read_data(two_actions)
    pool = manifest.replace(manifest.table.assign(label=None, split=None))
    found = next_to_review(recognizer, pool, 3)
    assert found.notes == ["no labelled clips are known: coverage begins with the most typical clip"]
    table = found.manifest.table
    assert (table["label"] == table["predicted"]).all()
    assert (table["score"] >= 0.5).all()


def test_the_next_round_passes_over_what_was_decided_on_in_the_last(
    recognizer: Path, two_actions: Path, tmp_path: Path
) -> None:
    """Of clips without labels too: what is proposed for them may change from round to round, they do not."""
    manifest = read_data(two_actions)
    labels = [
        label if group == "person03" else None
        for label, group in manifest.table[["label", "group"]].to_numpy()
    ]
    pool = manifest.replace(manifest.table.assign(label=labels, split=None))
    first = next_to_review(recognizer, pool, 10, book=tmp_path / "book.jsonl")
    path = first.manifest.write(tmp_path / "elsewhere" / "next.csv")
    clips = candidates_of(Manifest.read(path))
    book = ReviewFile(tmp_path / "book.jsonl", clips)
    for clip in clips:
        book.decide(clip.uid, "ann", Verdict.ACCEPT)
    second = next_to_review(recognizer, pool, 10, book=tmp_path / "book.jsonl")
    assert any("10 clips passed over: decided on in" in note for note in second.notes)
    seen, new = ({segment.video for segment in found.manifest.segments()} for found in (first, second))
    assert len(seen) == 10
    assert len(new) == 6
    assert not seen & new


def test_labelled_clips_that_are_gone_are_said(recognizer: Path, two_actions: Path, tmp_path: Path) -> None:
    manifest = read_data(two_actions)
    gone = pd.DataFrame({"video": ["gone.mp4"], "label": ["move"], "group": ["person09"]})
    found = next_to_review(recognizer, manifest, 2, labelled=Manifest(gone, tmp_path))
    assert len(found.picks) == 2
    assert found.notes[-1].startswith("1 labelled clip cannot be read and tells nothing; first: ")
    assert "gone.mp4" in found.notes[-1]


def test_next_as_it_is_typed(
    recognizer: Path, two_actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = tmp_path / "clips.csv"
    read_data(two_actions).write(pool)
    assert kinema(["mine", "next", str(recognizer), str(pool), "--count", "4", "--by", "coverage"]) == 0
    said = capsys.readouterr().out
    assert f"kinema mine review {tmp_path / 'clips-next.csv'}" in said
    assert len(Manifest.read(tmp_path / "clips-next.csv").segments()) == 4
    command = [
        "mine",
        "next",
        str(recognizer),
        str(pool),
        "-n",
        "2",
        "--out",
        str(tmp_path / "n.csv"),
        "--json",
    ]
    assert kinema(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert [clip["rank"] for clip in told["clips"]] == [1, 2]
    assert kinema(["mine", "next", str(recognizer), str(pool), "--by", "luck"]) == 2
    assert "unknown strategy 'luck'" in capsys.readouterr().err
    assert kinema(["mine", "next", str(recognizer), str(tmp_path / "absent.csv")]) == 3
    assert kinema(["mine", "next", str(tmp_path / "absent"), str(pool)]) == 3
    assert kinema(["mine", "next", str(recognizer), str(pool), "--out", str(tmp_path / "n.txt")]) == 2

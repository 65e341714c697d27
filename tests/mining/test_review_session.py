"""One reviewer's way through a book: what is up, what an undo brings back, who shows the same, and what is told at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.data import Manifest
from kinema.errors import DataError, UsageError
from kinema.mining.review import (
    Candidate,
    Families,
    ReviewFile,
    ReviewReport,
    ReviewRules,
    Session,
    Verdict,
    as_meant,
    candidates_of,
    find_families,
    playable,
    review_progress,
)
from kinema.video import VideoWriter, open_source

CLIPS = [Candidate("a", "wave"), Candidate("b", "box"), Candidate("c", "wave")]


@pytest.fixture
def book(tmp_path: Path) -> ReviewFile:
    return ReviewFile(tmp_path / "decisions.jsonl", CLIPS)


def up(session: Session) -> str | None:
    clip = session.clip()
    return None if clip is None else clip.uid


def synthetic(path: Path, seed: int, *, seconds: float = 4.0, mirrored: bool = False) -> Path:
    """A synthetic square that wanders over a ground of its own; the same seed shows the same."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 150, (6, 8, 3), dtype=np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    where = np.cumsum(rng.integers(-6, 7, (round(seconds * 10), 2)), axis=0) % 80
    with VideoWriter(path, 10) as out:
        for top, left in where:
            picture = ground.copy()
            picture[top : top + 40, left : left + 40] = (240, 220, 60)
            out.write(picture[:, ::-1] if mirrored else picture)
    return path


@pytest.mark.parametrize(
    ("verdict", "label", "meant"),
    [
        ("accept", "", ("accept", "wave")),
        ("wrong", "", ("wrong", "")),
        ("skip", "box", ("skip", "")),
        ("relabel", "  high \t five ", ("relabel", "high five")),
        ("relabel", " wave", ("accept", "wave")),
    ],
)
def test_what_a_reviewer_means(verdict: str, label: str, meant: tuple[str, str]) -> None:
    assert as_meant("wave", Verdict(verdict), label) == meant


@pytest.mark.parametrize(("verdict", "label"), [("relabel", " "), ("relabel", "x" * 201), ("undo", "")])
def test_what_nobody_can_mean(verdict: str, label: str) -> None:
    with pytest.raises(UsageError):
        as_meant("wave", Verdict(verdict), label)


def test_clips_come_up_until_none_is_left_and_an_undo_brings_one_back(book: ReviewFile) -> None:
    session = Session(book, "ann")
    assert up(session) == up(session) == "a"
    session.decide(Verdict.ACCEPT)
    session.decide(Verdict.RELABEL, "kick")
    session.decide(Verdict.SKIP)
    assert up(session) is None
    with pytest.raises(UsageError, match="nothing is left"):
        session.decide(Verdict.ACCEPT)
    taken = session.undo()
    assert taken is not None and (taken.clip, taken.verdict) == ("c", "skip")
    assert up(session) == "c"
    session.undo()
    assert up(session) == "b"  # and not c, which is waiting too
    session.decide(Verdict.WRONG)
    assert [record.verdict for record in book.records()] == [
        "accept", "relabel", "skip", "undo", "undo", "wrong",
    ]  # fmt: skip
    assert session.undo() and session.undo() and session.undo() is None


def test_a_session_goes_on_where_another_one_was_left(book: ReviewFile) -> None:
    Session(book, "ann").decide(Verdict.ACCEPT)
    again = Session(book, "ann")
    assert up(again) == "b"
    assert again.undo() is not None
    assert up(again) == "a"


def test_what_others_decide_meanwhile_counts(book: ReviewFile) -> None:
    ann, bob = (Session(book, name, ReviewRules(2, 2)) for name in ("ann", "bob"))
    assert (up(ann), up(bob)) == ("a", "a")
    ann.decide(Verdict.ACCEPT)
    assert up(bob) == "a"
    bob.decide(Verdict.ACCEPT)
    assert (up(ann), up(bob)) == ("b", "b")
    assert (ann.progress().settled, ann.progress().accepted, ann.progress().mine) == (1, 1, 1)


def test_only_some_labels_are_asked_about(book: ReviewFile) -> None:
    session = Session(book, "ann", only=["box"])
    assert up(session) == "b"
    session.decide(Verdict.RELABEL, "clap")
    assert up(session) is None
    assert (session.progress().total, session.progress().settled) == (1, 1)
    assert session.labels() == ["box", "clap", "wave"]
    with pytest.raises(UsageError, match="no clip is proposed as 'bux'; did you mean 'box'"):
        Session(book, "ann", only=["bux"])


def test_the_same_footage_comes_next_and_is_said(book: ReviewFile) -> None:
    families = Families({"a": "one", "c": "one", "b": ""})
    assert (families.neighbours("a"), families.neighbours("b"), families.neighbours("z")) == (["c"], [], [])
    session = Session(book, "ann", neighbours=families.neighbours)
    assert (up(session), session.shows_the_same) == ("a", False)
    session.decide(Verdict.WRONG)
    assert (up(session), session.shows_the_same) == ("c", True)
    session.decide(Verdict.WRONG)
    assert (up(session), session.shows_the_same) == ("b", False)


def test_progress_leaves_clips_of_known_answer_out() -> None:
    clips = [*CLIPS, Candidate("pot", "wave", known="wave")]
    book_of_one = [Candidate("pot", "wave", known="wave")]
    assert review_progress(book_of_one, [], "ann").total == 0
    assert review_progress(clips, [], "ann").total == 3


def test_clips_of_the_same_footage_are_found_across_videos(tmp_path: Path) -> None:
    for name, seed, mirrored in (("a", 1, False), ("b", 2, False), ("c", 1, True), ("d", 3, False)):
        synthetic(tmp_path / f"{name}.mp4", seed, mirrored=mirrored)
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    manifest = Manifest(
        {"video": ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "broken.mp4"], "label": ["wave"] * 5}, tmp_path
    )
    candidates = candidates_of(manifest)
    a, b, c, d, broken = (candidate.uid for candidate in candidates)
    found = find_families(manifest, candidates, workers=1)
    assert found.neighbours(a) == [c]
    assert found.neighbours(c) == [a]
    assert [found.neighbours(uid) for uid in (b, d, broken)] == [[], [], []]
    assert len(found.problems) == 1
    assert "broken.mp4" in found.problems[0]


def test_clips_that_cannot_be_compared_can_be_reviewed(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"no video at all")
    manifest = Manifest({"video": ["a.mp4", "b.mp4"], "label": ["wave"] * 2}, tmp_path)
    found = find_families(manifest, candidates_of(manifest))
    assert found.family_of == {}
    assert len(found.problems) == 1
    assert found.problems[0].startswith("no clip was compared with another: ")


def test_a_stretch_of_a_long_video_becomes_a_file_that_a_player_opens(tmp_path: Path) -> None:
    long = synthetic(tmp_path / "long.mp4", 1)
    folder = tmp_path / "cut"
    folder.mkdir()
    stretch = Candidate("s", "wave", start=1.0, end=2.5, video="long.mp4")
    cut = playable(stretch, tmp_path, folder)
    assert cut.parent == folder
    with open_source(cut) as source:
        assert sum(1 for _ in source) == 15
    assert playable(stretch, tmp_path, folder) == cut
    assert playable(Candidate("w", "wave", video=str(long)), tmp_path, folder) == long
    # A clip's own file is shown as it is, wherever in its source it is from.
    assert playable(Candidate("c", "wave", start=50.0, end=54.0, path="long.mp4"), tmp_path, folder) == long
    assert [path.name for path in folder.iterdir()] == [cut.name]


def test_a_stretch_behind_the_end_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    synthetic(tmp_path / "long.mp4", 1)
    behind = Candidate("s", "wave", start=9.0, end=12.0, video="long.mp4")
    with pytest.raises(DataError, match="no frame from 9 s on"):
        playable(behind, tmp_path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


@pytest.mark.parametrize(
    "clip", [Candidate("a", "wave", path="gone.mp4"), Candidate("a", "wave", video="gone.mp4", start=1.0, end=2.0)]
)  # fmt: skip
def test_a_clip_that_is_gone_is_named(clip: Candidate, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.mp4"):
        playable(clip, tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_report_of_a_review_in_lines_and_as_json(book: ReviewFile) -> None:
    rules = ReviewRules(1, 2)
    book.decide("a", "ann", Verdict.ACCEPT)
    book.decide("b", "ann", Verdict.RELABEL, "wave")
    book.decide("b", "bob", Verdict.WRONG)
    book.decide("c", "bob", Verdict.SKIP)
    report = ReviewReport.of(CLIPS, book.records(), rules)
    assert report.lines() == [
        "2 of 3 clips reviewed: 2 accepted, 0 wrong, 0 disputed",
        "  box: 0 of 1 show it, 1 another",
        "  wave: 1 of 1 show it",
        "  ann: 2 votes, 0 skipped, agrees with the others on 0 of 1",
        "  bob: 1 votes, 1 skipped, agrees with the others on 0 of 1",
    ]
    assert report.advice() == []
    told = report.to_dict()
    assert (told["clips"], told["accepted"], told["reviewers"][1]["reviewer"]) == (3, 2, "bob")
    assert told["classes"][0] == {"label": "box", "clips": 1, "settled": 1, "kept": 0, "relabelled": 1}
    assert told["pairs"] == [{"one": "box", "other": "wave", "crossed": 1, "votes": 2}]


def test_advice_on_classes_and_reviewers_is_gathered() -> None:
    from kinema.mining.review import Decision

    clips = [Candidate(f"w{n}", "wave") for n in range(10)]
    clips += [Candidate(f"p{n}", "wave", known="wave") for n in range(10)]
    records = [Decision(clip.uid, "ann", Verdict.WRONG) for clip in clips]
    assert ReviewReport.of(clips, records).advice() == [
        "drop 'wave', or find its clips in another way: 0 of 10 reviewed clips show it",
        "ann: 0 of 10 clips of known answer right: look at these votes, or leave them out",
    ]

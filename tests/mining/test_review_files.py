"""A review in a file, and the manifest that comes out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, UsageError
from kinema.mining.review import (
    Candidate,
    Decision,
    ReviewFile,
    ReviewRules,
    Verdict,
    accepted_manifest,
    candidates_of,
)

CLIPS = [Candidate("a", "wave"), Candidate("b", "box")]


def accepted(*uids: str, label: str = "wave") -> list[Decision]:
    return [Decision(uid, "ann", Verdict.ACCEPT, label) for uid in uids]


def test_a_book_grows_by_a_line_a_record(tmp_path: Path) -> None:
    path = tmp_path / "review" / "decisions.jsonl"
    book = ReviewFile(path, CLIPS)
    assert (book.records(), book.undo("ann")) == ([], None)
    made = [
        book.decide("a", "ann", Verdict.ACCEPT),
        book.decide("b", "ann", Verdict.RELABEL, "kick"),
        book.decide("a", "bob", Verdict.WRONG),
    ]
    before = path.read_bytes()
    assert book.undo("ann") == made[1]
    assert path.read_bytes().startswith(before)  # nothing was written over
    kinds = [(record["reviewer"], record["verdict"], record["label"]) for record in _lines(path)]
    assert kinds == [
        ("ann", "accept", "wave"),
        ("ann", "relabel", "kick"),
        ("bob", "wrong", ""),
        ("ann", "undo", ""),
    ]
    again = ReviewFile(path, CLIPS)
    assert again.records()[:3] == made
    assert again.undo("ann") == made[0]
    assert again.undo("ann") is None


def test_half_a_last_line_is_passed_over_and_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    book = ReviewFile(path, CLIPS)
    book.decide("a", "ann", Verdict.SKIP)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "half')
    assert len(book.records()) == 1
    book.decide("b", "ann", Verdict.WRONG)
    assert path.read_bytes().startswith(whole)
    assert [record["verdict"] for record in _lines(path)] == ["skip", "wrong"]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    ReviewFile(path, CLIPS).decide("a", "ann", Verdict.SKIP)
    path.write_bytes(path.read_bytes() + b"hello\n")
    with pytest.raises(DataError, match=r"d\.jsonl: line 2: "):
        ReviewFile(path, CLIPS).records()


def test_a_clip_that_is_not_there_and_an_undo_as_a_verdict_are_refused(tmp_path: Path) -> None:
    book = ReviewFile(tmp_path / "d.jsonl", CLIPS)
    with pytest.raises(UsageError, match="no clip 'z' in this review"):
        book.decide("z", "ann", Verdict.SKIP)
    with pytest.raises(UsageError, match="use undo"):
        book.decide("a", "ann", Verdict.UNDO)
    assert not (tmp_path / "d.jsonl").exists()


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    program = (
        "import sys\n"
        "from kinema.mining.review import Candidate, ReviewFile, Verdict\n"
        "book = ReviewFile(sys.argv[1], [Candidate('a', 'wave')])\n"
        "for _ in range(25): book.decide('a', sys.argv[2], Verdict.ACCEPT)\n"
        "book.undo(sys.argv[2])\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in ("ann", "bob", "cy")
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    records = ReviewFile(path, CLIPS).records()
    assert sorted((record.reviewer, record.verdict.value) for record in records) == sorted(
        [(name, "accept") for name in ("ann", "bob", "cy") for _ in range(25)]
        + [(name, "undo") for name in ("ann", "bob", "cy")]
    )


def test_accepted_clips_become_a_manifest_by_source(tmp_path: Path) -> None:
    for name in ("1.mp4", "2.mp4", "3.mp4", "4.mp4", "pot.mp4"):
        (tmp_path / "clips" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "clips" / name).write_bytes(b"x")
    candidates = [
        Candidate("1", "wave", "film A", 0.9, path="clips/1.mp4"),
        Candidate("2", "box", "film A", path="clips/2.mp4"),
        Candidate("3", "wave", "film B", path="clips/3.mp4"),
        Candidate("4", "wave", "film C", path="clips/4.mp4"),
        Candidate("5", "wave", "film D", path="clips/gone.mp4"),
        Candidate("6", "wave", "film A", path="clips/1.mp4"),  # the same file again
        Candidate("pot", "wave", "film E", path="clips/pot.mp4", known="wave"),
    ]
    records = [*accepted("1", "5", "6", "pot"), Decision("2", "ann", Verdict.RELABEL, "kick"), *accepted("4")]
    records.append(Decision("3", "ann", Verdict.WRONG))
    made = accepted_manifest(candidates, records, tmp_path)
    assert made.notes == [
        "1 accepted clip whose file is gone left out",
        "1 clip that came twice left out once",
    ]
    path = made.manifest.write(tmp_path / "manifests" / "m.csv")
    read = read_data(path)
    rows = [(s.video, s.start, s.end, s.label, s.group) for s in read.segments()]
    assert rows == [
        (tmp_path / "clips" / "1.mp4", None, None, "wave", "film A"),
        (tmp_path / "clips" / "2.mp4", None, None, "kick", "film A"),
        (tmp_path / "clips" / "4.mp4", None, None, "wave", "film C"),
    ]
    assert read.table["video"].tolist()[0] == "../clips/1.mp4"


def test_near_duplicates_of_two_sources_share_a_group(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    candidates = [Candidate(uid, "wave", f"film {uid}", path=f"{uid}.mp4") for uid in ("1", "2", "3")]
    near = {"1": ["3", "not here"], "3": ["1"]}
    made = accepted_manifest(
        candidates, accepted("1", "2", "3"), tmp_path, neighbours=lambda uid: near.get(uid, [])
    )
    assert made.manifest.table["group"].tolist() == ["film 1", "film 2", "film 1"]


@pytest.mark.parametrize(
    ("start", "end", "clip_start", "clip_end", "expected"),
    [
        (13.0, 16.0, 10.0, 19.0, (3.0, 6.0)),
        (14.0, 14.5, 10.0, 19.0, (3.25, 5.25)),  # two seconds at least
        (10.2, 10.4, 10.0, 19.0, (0.0, 2.0)),  # not before the clip
        (18.5, 19.0, 10.0, 19.0, (7.0, 9.0)),  # nor after it
        (10.0, 11.0, 10.0, 11.5, (None, None)),  # all there is
        (13.0, 16.0, None, None, (None, None)),
        (None, None, 10.0, 19.0, (None, None)),
    ],
)
def test_where_in_its_file_an_action_is(
    start: float | None,
    end: float | None,
    clip_start: float | None,
    clip_end: float | None,
    expected: tuple[float | None, float | None],
    tmp_path: Path,
) -> None:
    (tmp_path / "c.mp4").write_bytes(b"x")
    candidate = Candidate(
        "a", "wave", start=start, end=end, path="c.mp4", clip_start=clip_start, clip_end=clip_end
    )
    [row] = accepted_manifest([candidate], accepted("a"), tmp_path).manifest.segments()
    assert (row.start, row.end) == expected


def test_clips_of_one_source_alone_are_told(tmp_path: Path) -> None:
    for name in ("1.mp4", "2.mp4"):
        (tmp_path / name).write_bytes(b"x")
    candidates = [Candidate(uid, "wave", "film", path=f"{uid}.mp4") for uid in ("1", "2")]
    made = accepted_manifest(candidates, accepted("1", "2"), tmp_path)
    assert made.notes == [
        "all are of one source, so that none can be held out to test on; add clips of others"
    ]


def test_a_stretch_of_a_video_without_a_file_of_its_own_keeps_its_times(tmp_path: Path) -> None:
    (tmp_path / "long.mp4").write_bytes(b"x")
    candidate = Candidate("a", "wave", "long", start=3.0, end=3.5, video="long.mp4")
    [row] = accepted_manifest([candidate], accepted("a"), tmp_path).manifest.segments()
    assert (row.name, row.start, row.end) == ("long.mp4", 3.0, 3.5)


def test_what_mining_cut_goes_through_the_review_and_keeps_its_file_and_source(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("film__wave__3.00-8.00.mp4", "other__wave__1.00-6.00.mp4"):
        (tmp_path / "clips" / name).write_bytes(b"x")
    mined = Manifest(
        {
            "video": ["clips/film__wave__3.00-8.00.mp4", "clips/other__wave__1.00-6.00.mp4"],
            "label": ["wave", "wave"],
            "group": ["film.mp4", "other.mp4"],
            "source_video": ["film.mp4", "other.mp4"],
            "source_start": [3.0, 1.0],
            "source_end": [8.0, 6.0],
        },
        tmp_path,
    )
    candidates = candidates_of(mined)
    assert (candidates[0].start, candidates[0].end, candidates[0].group) == (3.0, 8.0, "film.mp4")
    made = accepted_manifest(candidates, accepted(*(one.uid for one in candidates)), tmp_path).manifest
    assert made.table["video"].tolist() == mined.table["video"].tolist()  # beside it, not by whole paths
    assert [(s.start, s.end, s.group) for s in made.segments()] == [
        (None, None, "film.mp4"),
        (None, None, "other.mp4"),
    ]
    # In another folder they are found all the same.
    read = read_data(made.write(tmp_path / "reviewed" / "m.csv"))
    assert [segment.video.is_file() for segment in read.segments()] == [True, True]


def test_nothing_accepted_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no accepted clip to make a manifest of; accept some first"):
        accepted_manifest(CLIPS, [], tmp_path)
    with pytest.raises(DataError, match="1 accepted clip whose file is gone"):
        accepted_manifest(CLIPS, accepted("a"), tmp_path, ReviewRules())


def test_a_manifest_of_candidates_becomes_a_review(tmp_path: Path) -> None:
    manifest = Manifest(
        {
            "video": ["v.mp4", "v.mp4", "cut.mp4"],
            "start": [1.0, 5.0, 3.0],
            "end": [2.0, 6.0, 4.0],
            "label": ["wave", "box", "wave"],
            "group": [None, "film", None],
            "score": [0.5, None, None],
            "source_start": [None, None, 4.0],
            "source_end": [None, None, 14.0],
            "source_video": [None, None, "film 2"],
            "known": [None, "none", "wave"],
        },
        tmp_path,
    )
    first, second, third = candidates_of(manifest)
    assert (first.group, first.score, first.known, first.path) == ("v.mp4", 0.5, None, "")
    assert (second.group, second.score, second.known, second.video) == (
        "film",
        None,
        "",
        str(tmp_path / "v.mp4"),
    )
    assert (third.group, third.known, third.path) == ("film 2", "wave", str(tmp_path / "cut.mp4"))
    # Seconds of the film: the clip begins 4 s in, and the action 3 s in the clip.
    assert (third.clip_start, third.clip_end, third.start, third.end) == (4.0, 14.0, 7.0, 8.0)
    assert len({first.uid, second.uid, third.uid}) == 3
    assert candidates_of(manifest)[0].uid == first.uid
    with pytest.raises(DataError, match="row 1 has no label"):
        candidates_of(Manifest({"video": ["v.mp4"]}, tmp_path))


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]

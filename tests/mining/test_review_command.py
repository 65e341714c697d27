"""`kinema mine review` where nobody answers: reports, exports, and calls that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinema.cli.app import run
from kinema.data import read_data


def test_where_there_is_no_terminal_it_says_what_to_do(
    mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mine", "review", str(mined)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--export writes what was decided, kinema serve reviews in a browser" in said


def test_export_reports_and_writes_what_was_decided(mined: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kinema.mining.review import ReviewFile, Verdict, candidates_of

    book = ReviewFile(mined / "clips.review.jsonl", candidates_of(read_data(mined / "clips.csv")))
    command = ["mine", "review", str(mined), "--no-near", "--export"]
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["manifest"] is None
    for candidate in book.candidates()[:2]:
        book.decide(candidate.uid, "ann", Verdict.ACCEPT)
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clips"], told["accepted"], told["reviewers"][0]["votes"]) == (5, 2, 2)
    assert told["notes"] == [
        "all are of one source, so that none can be held out to test on; add clips of others"
    ]
    assert Path(told["manifest"]) == mined / "clips.accepted.csv"
    assert run([*command, "--out", str(mined / "mine.csv")]) == 0
    assert len(read_data(mined / "mine.csv").segments()) == 2
    # Taken back: what was written before says more than is accepted now.
    assert book.undo("ann") and book.undo("ann")
    assert run(command) == 0
    assert "clips.accepted.csv: from before; what it holds is not accepted now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gone.csv", "--export"], 3, "gone.csv: no such file or folder"),
        (["MINED", "--json"], 2, "--json: prints what --export finds"),
        (["MINED", "--export", "--reviewer", " "], 2, "--reviewer: give a name"),
        (["MINED", "--export", "--need", "3", "--of", "2"], 2, "as many reviewers as votes"),
        (["MINED", "--export", "--no-near", "--label", "wav"], 2, "did you mean 'wave'"),
        (["MINED/clips.csv", "--export", "--out", "MINED/clips.csv"], 2, "give --out another name"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: list[str], code: int, said: str, mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in mined.iterdir())
    assert run(["mine", "review", *(word.replace("MINED", str(mined)) for word in arguments)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in mined.iterdir()) == before

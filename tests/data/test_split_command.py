"""`kinema data split` and `check --leaks`: ways to split, leaks by content, and what the exit code says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kinema.cli.data import app
from kinema.data import Manifest
from kinema.errors import DataError, UsageError

MakeVideo = Callable[..., Path]


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def clips(tmp_path: Path, make_video: MakeVideo) -> Path:
    """Eight clips of 2 s, each a group of its own; `sit/copy` is the start of `run/a`."""
    for number, name in enumerate(("run/a", "run/b", "run/c", "run/d", "sit/e", "sit/f", "sit/g")):
        make_video(f"set/{name}.mp4", frames=20, seed=number)
    make_video("set/sit/copy.mov", frames=18, seed=0)
    return tmp_path / "set"


def _splits(path: Path) -> dict[str, str]:
    table = Manifest.read(path).table
    return dict(zip((Path(name).stem for name in table["video"]), table["split"], strict=True))


def test_lists_on_the_command_line_and_in_a_file(clips: Path, tmp_path: Path) -> None:
    names = tmp_path / "valid.txt"
    names.write_text("e\r\nset\\sit\\f.mp4\r\n")
    out = tmp_path / "s.csv"
    result = _run("split", clips, "--out", out, "--test-videos", "a,copy", "--valid-videos", names)
    assert result.exit_code == 0 and f"next: kinema train {out}" in result.output
    assert _splits(out) == {
        "a": "test", "b": "train", "c": "train", "d": "train", "copy": "test", "e": "valid", "f": "valid", "g": "train"
    }  # fmt: skip


def test_a_leak_by_content_stops_the_split(clips: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "s.csv", tmp_path / "leaks.html"
    leaking = ("split", clips, "--out", out, "--test-videos", "a,e", "--check-content")
    result = _run(*leaking, "--leak-report", page)
    assert result.exit_code == 3 and not out.exists()
    assert "1 pair of different splits shows the same footage" in result.output
    assert "leak  run/a.mp4 (test) = sit/copy.mov (train): 1.8 s from 0.00 s and from 0.00 s" in result.output
    assert result.output.splitlines()[-1] == (
        f"next: kinema data split {clips} --merge-groups footage --out {out}"
    )
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 2
    result = _run(*leaking, "--allow-leakage")
    assert result.exit_code == 0
    assert Manifest.read(out).split_by == "content" and "LEAKAGE ALLOWED" in result.output


def test_merged_groups_cannot_be_divided(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    for seed in range(6):
        result = _run(
            "split", clips, "--out", out, "--merge-groups", "footage", "--check-content", "--seed", seed
        )
        assert result.exit_code == 0
        assert _splits(out)["a"] == _splits(out)["copy"]
    assert "groups: 1 group joined with others for near-duplicates: 8 became 7" in result.output


def test_each_fold_is_checked(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    assert _run("split", clips, "--out", out, "--folds", "group", "--check-content").exit_code == 3
    assert not list(tmp_path.glob("s-fold*"))
    result = _run(
        "split", clips, "--out", out, "--folds", "group", "--check-content", "--merge-groups", "footage"
    )
    assert result.exit_code == 0 and len(list(tmp_path.glob("s-fold*"))) == 7


def test_a_random_split_is_refused_without_consent(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    with pytest.raises(UsageError, match="add --allow-leakage to have it all the same"):
        _run("split", clips, "--out", out, "--by", "clip")
    assert not out.exists()
    assert _run("split", clips, "--out", out, "--by", "frame", "--allow-leakage").exit_code == 0
    assert Manifest.read(out).split_by == "frame" and len(Manifest.read(out)) == 15
    assert _run("split", out, "--out", out, "--replace").exit_code == 0
    assert Manifest.read(out).split_by is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--folds", "2", "--by", "clip"), "folds and by clip are two ways to split; give one"),
        (("--by", "clips"), "by clip or by frame, not 'clips'; did you mean 'clip'"),
        (("--merge-groups", "all"), "merged by footage, or by places for both, not 'all'"),
        (("--leak-report", "x.html"), "add one of them"),
    ],
)
def test_options_that_exclude_each_other(
    clips: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _run("split", clips, "--out", tmp_path / "s.csv", *options)


def test_check_looks_for_leaks_when_asked(clips: Path, tmp_path: Path) -> None:
    data, page = tmp_path / "m.csv", tmp_path / "leaks.html"
    _run("split", clips, "--out", data, "--test-videos", "copy,b")
    assert _run("check", data).exit_code == 0
    result = _run("check", data, "--leaks", "--leak-report", page)
    assert result.exit_code == 3 and "leak  set/run/a.mp4 (train) = set/sit/copy.mov (test)" in result.output
    assert "the same footage in different splits" in page.read_text(encoding="utf-8")
    assert _run("check", data, "--leaks", "--allow-leakage").exit_code == 0
    result = _run("check", clips, "--leaks")  # no splits yet: between groups, and no leak yet
    assert result.exit_code == 0 and "near-duplicate  run/a.mp4 = sit/copy.mov" in result.output
    assert "--merge-groups footage" in result.output


def test_a_list_that_names_nothing(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the 2 videos for test is in the data"):
        _run("split", clips, "--out", tmp_path / "s.csv", "--test-videos", "x,y")

"""`kinema data frames`: what is typed, what is printed, exit codes, and a run that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kinema.cli.app import run as run_kinema
from kinema.cli.data import app
from kinema.data import Manifest, read_data
from kinema.errors import UsageError

MakeVideo = Callable[..., Path]


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["frames", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _images(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("[!.]*/*.*g"))


@pytest.fixture
def clips(tmp_path: Path, make_video: MakeVideo) -> Path:
    for person in range(2):
        for label in ("run", "sit"):
            make_video(f"set of clips/{label}/person{person}_{label}.mp4", 6)
    return tmp_path / "set of clips"


def test_frames_then_import_then_check(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "my frames"
    result = _run(clips, "--out", out, "--every", 2, "--size", "32x24")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert any(line.startswith("12 images of 4 clips, ") for line in lines)
    assert lines[-2:] == [
        f"wrote {out}: 12 images, frames.csv, labels.csv, manifest.csv",
        f"next: kinema data check '{out}'",
    ]
    assert _images(out)[:4] == [f"person0_run/person0_run_0000{n}.jpg" for n in (1, 2, 3)] + [
        "person0_sit/person0_sit_00001.jpg"
    ]
    again, original = read_data(out), read_data(clips)
    for column in ("start", "end", "label", "split", "group"):
        assert again.table[column].equals(original.table[column])
    assert set(again.table["fps"]) == {5.0}
    result = CliRunner().invoke(app, ["check", str(out), "--min-frames", "3"])
    assert result.exit_code == 0
    assert "4 clips of 4 videos decoded, 2 s in all: 4 good" in result.output


def test_class_layout_points_back_to_the_videos(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "f"
    result = _run(clips, "--out", out, "--layout", "class", "--per-video", 1, "--format", "png")
    assert _images(out) == [
        "run/person0_run_00001.png", "run/person1_run_00001.png",
        "sit/person0_sit_00001.png", "sit/person1_sit_00001.png",
    ]  # fmt: skip
    assert result.output.splitlines()[-2:] == [
        f"wrote {out}: 4 images, frames.csv",
        f"next: kinema train '{clips}'",
    ]


def test_classes_and_splits(clips: Path, tmp_path: Path) -> None:
    _run(clips, "--out", tmp_path / "a", "--classes", "sit")
    assert len(_images(tmp_path / "a")) == 12
    with pytest.raises(UsageError, match="unknown label 'sitt'; did you mean 'sit'"):
        _run(clips, "--out", tmp_path / "b", "--classes", "run,sitt")
    table = read_data(clips).table.assign(split=["train", "train", "test", "test"])
    Manifest(table, clips).write(clips / "m.csv")
    _run(clips / "m.csv", "--out", tmp_path / "c", "--split", "test", "--per-video", 2)
    assert {Path(name).parent.name for name in _images(tmp_path / "c")} == {
        Path(name).stem for name in table["video"].tolist()[2:]
    }
    with pytest.raises(UsageError, match="unknown split 'tset'; did you mean 'test'"):
        _run(clips / "m.csv", "--out", tmp_path / "d", "--split", "tset")


def test_bad_videos_are_listed_and_only_none_at_all_is_an_error(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "run" / "person0_run.mp4").write_bytes(b"")
    result = _run(clips, "--out", tmp_path / "f")
    assert result.exit_code == 0
    assert "unreadable  run/person0_run.mp4  the file is empty (0 bytes)" in result.output
    assert "18 images of 3 clips" in result.output
    assert result.output.splitlines()[-2].endswith("frames.csv, labels.csv, manifest.csv, failures.csv")
    for video in clips.rglob("*.mp4"):
        video.write_bytes(b"")
    assert run_kinema(["data", "frames", str(clips), "--out", str(tmp_path / "g")]) == 3
    assert "no image was written" in capsys.readouterr().err


def test_checking_and_removing(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "f"
    _run(clips, "--out", out)
    result = _run(out, "--check")
    assert result.exit_code == 0
    assert "24 images read, 0 bad" in result.output
    (out / "person1_sit" / "person1_sit_00002.jpg").write_bytes(b"")
    result = _run(out, "--check")
    assert result.exit_code == 3
    assert "  bad  person1_sit/person1_sit_00002.jpg  is empty" in result.output
    assert result.output.splitlines()[-1] == f"next: kinema data frames {out} --check --remove"
    result = _run(out, "--check", "--remove")
    assert result.exit_code == 0
    assert f"wrote {out}: 1 image removed" in result.output
    assert len(_images(out)) == 23
    assert _run(out, "--check").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--every", "2", "--fps-out", "5"], "give one of every, fps and per_video"),
        (["--size", "huge"], "give the shorter side"),
        (["--remove"], "--remove goes with --check"),
        (["--format", "gif"], "unknown image format 'gif'"),
        (["--layout", "classes"], "did you mean 'class'"),
    ],
)
def test_calls_that_make_no_sense(arguments: list[str], message: str, clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        _run(clips, "--out", tmp_path / "f", *arguments)
    assert not (tmp_path / "f").exists()
    with pytest.raises(UsageError, match="--out"):
        _run(clips)


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path, make_video: MakeVideo) -> None:
    first = make_video("clips/run/clip00.mp4", 150)
    for number in range(1, 14):
        (first.parent / f"clip{number:02}.mp4").write_bytes(first.read_bytes())
    out = tmp_path / "f"
    command = [sys.executable, "-c", "from kinema.cli.app import main; main()"]
    arguments = [
        "data",
        "frames",
        str(tmp_path / "clips"),
        "--out",
        str(out),
        "--size",
        "700",
        "--workers",
        "1",
    ]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = out / ".frames" / "done.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("\n") < 2):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = sorted(path.name for path in out.glob("[!.]*/"))
    assert 2 <= len(finished) < 14
    assert all(len(list((out / name).iterdir())) == 150 for name in finished)
    assert not (out / "frames.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in out.glob("[!.]*/*.jpg")}
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert "2,100 images of 14 clips, " in result.stdout
    assert " of them from an earlier run" in result.stdout
    kept = sum(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert kept >= 300
    assert len(_images(out)) == 2100
    assert len((out / "frames.csv").read_text().splitlines()) == 2101
    assert not list((out / ".frames" / "partial").glob("*"))

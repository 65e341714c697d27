"""The command as a user meets it: exit codes, one line of error, a quick start."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from kinema.cli import app as cli
from kinema.errors import DataError


def kinema(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from kinema.cli.app import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_help_names_the_verbs_in_the_order_of_use_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from kinema.cli.app import run\n"
        "code = run(['--help'])\n"
        "heavy = {'torch', 'pandas', 'cv2', 'numpy', 'matplotlib', 'sklearn', 'lightning', 'av', 'timm'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "HEAVY []" in done.stdout
    words = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│ ") and line[2] != " "]
    verbs = [word for word in words if word.replace("-", "").isalpha() and not word.startswith("-")]
    assert verbs == [
        *("data", "models", "train", "tune", "runs", "report", "predict", "watch", "evaluate-events"),
        *("export", "serve", "mine", "demo", "doctor"),
    ]


def test_help_takes_less_than_half_a_second() -> None:
    def spent() -> float:  # processor time: a busy machine makes anybody wait
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    seconds: list[float] = []
    while len(seconds) < 10 and min(seconds, default=1.0) >= 0.5:
        since = spent()
        assert kinema("--help").returncode == 0
        seconds.append(spent() - since)
    assert min(seconds) < 0.5


def test_version() -> None:
    done = kinema("--version")
    assert (done.returncode, done.stdout) == (0, "kinema 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predikt", "x"], ["No such command 'predikt'", "predict"]),
        (["predict", "run", "video", "--colour"], ["No such option: --colour", "kinema predict --help"]),
        (["predict", "run"], ["Missing argument 'VIDEO...'"]),
        (["predict", "run", "video", "--limit", "many"], ["Invalid value for '--limit'"]),
        (["predict", "run", "video", "--fps", "0"], ["--fps 0: give frames a second, above 0"]),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], words: list[str]) -> None:
    done = kinema(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("kinema: ")
    for word in words:
        assert word in line


def test_a_missing_path_is_one_line_and_code_3(tmp_path: Path) -> None:
    done = kinema("predict", tmp_path, tmp_path / "no such video.mp4")
    assert done.returncode == 3
    assert done.stderr == f"kinema: {tmp_path}/no such video.mp4: no such file or folder; check the path\n"


def test_debug_shows_the_trace_wherever_it_stands(tmp_path: Path) -> None:
    for arguments in (
        ["--debug", "predict", tmp_path, "nothing.mp4"],
        ["predict", tmp_path, "nothing.mp4", "--debug"],
    ):
        done = kinema(*arguments)
        assert done.returncode == 3
        assert "Traceback" in done.stderr and "DataError" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("kinema: nothing.mp4:")


def failing_with(error: BaseException) -> Callable[[], None]:
    def verb() -> None:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("clip.mp4: is\nbroken"), 3, "kinema: clip.mp4: is broken\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/out.csv"),
            1,
            "kinema: /x/out.csv: the disk is full; free some space and run the same command again\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/run"),
            1,
            "kinema: /x/run: Permission denied\n",
        ),
        (
            ZeroDivisionError("division by zero"),
            1,
            "kinema: unexpected ZeroDivisionError: division by zero"
            " (please report it; --debug shows the trace)\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            "kinema: stopped; nothing is left half-written, and the same command begins anew\n",
        ),
        (typer.Exit(3), 3, ""),
    ],
)
def test_every_failure_is_one_line_with_its_code(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command("verb")(failing_with(error))
    monkeypatch.setattr(cli, "build", lambda: app)
    assert cli.run(["verb"]) == code
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["data", "frames", "x"], "what was finished is kept, and the same command goes on from there"),
        (["data", "explore", "x"], "nothing is left half-written, and the same command begins anew"),
        (
            ["train", "x"],
            "nothing is left half-written, and the same command begins anew",
        ),  # before a run exists
    ],
)
def test_ctrl_c_says_whether_the_same_command_goes_on(
    words: list[str], end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app, data = typer.Typer(), typer.Typer()
    app.add_typer(data, name="data")
    for where, verb in ((app, "train"), (data, "frames"), (data, "explore")):

        @where.command(verb)
        def stopped(name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build", lambda: app)
    assert cli.run(words) == 130
    assert capsys.readouterr().err == f"kinema: stopped; {end}\n"


def test_a_closed_pipe_is_quiet() -> None:
    code = "import sys; from kinema.cli.app import run; sys.exit(run(['--help']))"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert errors == ""
    assert process.returncode in (0, 1)

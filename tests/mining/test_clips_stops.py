"""Mining that is stopped, killed, out of disk, or given videos that are none: one line, nothing lost, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import numpy as np
import pytest

from kinema.cli.app import run
from kinema.data import Manifest
from kinema.models import ClipSpec, Recognizer
from kinema.video import VideoWriter, open_source

FPS = 10
# The command as it is, with a recognizer that takes its time and curves that are kept every five seconds of video.
SLOWLY = """
import sys, time
import kinema.mining.clips.scoring as scoring
from kinema.cli.app import main

plain = scoring.embed_jobs

def slowly(jobs, spec, embed, **settings):
    def late(pictures):
        time.sleep(0.1)
        return embed(pictures)
    return plain(jobs, spec, late, **settings)

scoring.embed_jobs, scoring.KEPT_EVERY = slowly, 5.0
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained recognizer of small single pictures."""
    import torch

    torch.manual_seed(0)
    spec = ClipSpec(frames=1, fps=5.0, height=32, width=32)
    made = Recognizer.create("separable_cnn", ["jumping", "waving"], spec)
    return made.save(tmp_path_factory.mktemp("recognizer") / "model")


def film(path: Path, seconds: float, *, noise: int = 0) -> Path:
    """A synthetic video: colours that drift; large, and under noise of so many levels."""
    rng, size = np.random.default_rng(3), 45 if noise else 20
    ground = np.kron(rng.integers(60, 160, (6, 8, 3), dtype=np.uint8), np.ones((size, size, 1), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, FPS, quality=1 if noise else 23) as out:
        for index in range(round(seconds * FPS)):
            picture = np.roll(ground, index // 4, axis=1).astype(np.int16)
            if noise:
                picture += rng.integers(-noise, noise + 1, picture.shape, dtype=np.int16)
            out.write(picture.clip(0, 255).astype(np.uint8))
    return path


def command(recognizer: Path, videos: Path, out: Path, *more: str) -> list[str]:
    settings = ["--out", str(out), "--seconds", "3", "--min-score", "0", "--no-copy", *more]
    return ["mine", "clips", str(videos), "--recognizer", str(recognizer), *settings]


def kept_curves(out: Path) -> list[bool]:
    """Whether each curve that is kept is whole."""
    if not (out / "scores.db").is_file():
        return []
    with closing(sqlite3.connect(out / "scores.db", timeout=10)) as base:
        try:
            return ["in part" not in key for (key,) in base.execute("select key from curves")]
        except sqlite3.OperationalError:
            return []


def lengths(out: Path) -> list[int]:
    """How many frames each clip has that is listed, all of which decode; no other file is there."""
    table = Manifest.read(out / "clips.csv").table
    assert sorted(path.name for path in (out / "clips").iterdir()) == sorted(
        Path(name).name for name in table["video"]
    )
    found = []
    for name in table["video"]:
        with open_source(out / name, threads=1) as source:
            found.append(sum(1 for _ in source))
            assert source.problems == []
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_stopped_within_a_video_it_goes_on_from_there(
    sign: signal.Signals, recognizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = film(tmp_path / "film.mp4", 240), tmp_path / "out"
    (out / "clips").mkdir(parents=True)
    words = [sys.executable, "-c", SLOWLY, *command(recognizer, source, out)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not kept_curves(out):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, sign)
        said = process.communicate(timeout=60)[1]
    if sign == signal.SIGINT:
        assert process.returncode == 130
        assert said.strip().splitlines() == [
            "kinema: stopped; what was finished is kept, and the same command goes on from there"
        ]
    assert kept_curves(out) == [False]
    assert list((out / "clips").iterdir()) == []
    # What a kill leaves half-written is cleared away.
    (out / "clips" / ".film__waving__0.00-3.00.x1y2z3.mp4").write_bytes(b"half")
    assert run(command(recognizer, source, out)) == 0
    assert "went on from there" in capsys.readouterr().out
    assert kept_curves(out) == [True]
    first = (out / "clips.csv").read_text()
    assert set(lengths(out)) == {30}
    # The same as in one go.
    assert run(command(recognizer, source, tmp_path / "one go")) == 0
    assert (tmp_path / "one go" / "clips.csv").read_text() == first


@pytest.mark.slow
def test_a_full_disk(
    recognizer: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    small_files: Callable[[], AbstractContextManager[None]],
) -> None:
    film(tmp_path / "v" / "a small.mp4", 5)
    film(tmp_path / "v" / "b large.mp4", 5, noise=120)
    out = tmp_path / "out"
    assert run(command(recognizer, tmp_path / "v", out, "--dry-run")) == 0
    capsys.readouterr()
    with small_files():  # a megabyte a file: three seconds of noise do not fit
        assert run(command(recognizer, tmp_path / "v", out, "--workers", "1")) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "b_large__" in said[0] and "the disk is full" in said[0]
    # What is whole is listed, and the same command goes on when there is room.
    assert set(lengths(out)) == {30}
    assert all("a_small" in name for name in Manifest.read(out / "clips.csv").table["video"])
    assert run(command(recognizer, tmp_path / "v", out)) == 0
    assert {Path(name).name[:7] for name in Manifest.read(out / "clips.csv").table["video"]} == {
        "a_small",
        "b_large",
    }


def test_videos_that_hold_little_or_nothing(
    recognizer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    folder = tmp_path / "v"
    good = film(folder / "good.mp4", 8)
    film(folder / "one frame.mp4", 0.1)
    (folder / "empty.mp4").touch()
    (folder / "truncated.mp4").write_bytes(good.read_bytes()[: good.stat().st_size * 2 // 3])
    with av.open(str(folder / "sound.mp4"), "w") as sound:
        stream = sound.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode()]:
            sound.mux(packet)
    out = tmp_path / "out"
    assert run(command(recognizer, folder, out, "--json")) == 0
    told = {Path(video["video"]).name: video for video in json.loads(capsys.readouterr().out)["videos"]}
    assert {name: bool(video["error"]) for name, video in told.items()} == {
        "good.mp4": False,
        "one frame.mp4": False,
        "empty.mp4": True,
        "truncated.mp4": False,
        "sound.mp4": True,
    }
    assert "sound.mp4" in told["sound.mp4"]["error"] and "\n" not in told["sound.mp4"]["error"]
    assert told["one frame.mp4"]["clips"] == 0 and told["one frame.mp4"]["left_out_short"] > 0
    assert "cut short" in " ".join(told["truncated.mp4"]["problems"])
    assert told["truncated.mp4"]["clips"] > 0
    counts = dict(zip(Manifest.read(out / "clips.csv").table["video"], lengths(out), strict=True))
    assert {count for name, count in counts.items() if "good" in name} == {30}
    # Near the end of a video that is cut short a picture may be missing: it depends on the encoder where the end falls.
    assert {count for name, count in counts.items() if "truncated" in name} in ({30}, {29, 30}, {29})
    # No video that can be read at all is an error, and leaves nothing to be reviewed.
    assert run(command(recognizer, folder / "empty.mp4", tmp_path / "none")) == 3
    said = capsys.readouterr().out
    assert "mine review" not in said and "nothing reached the score" not in said

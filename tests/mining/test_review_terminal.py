"""`kinema mine review` at a real terminal: keys, a player, Ctrl-C, kill -9, a full disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kinema.data import read_data

fcntl, pty, resource, termios = (
    pytest.importorskip(name, reason="needs a POSIX terminal")
    for name in ("fcntl", "pty", "resource", "termios")
)

_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*)?(?:[A-Za-z]|$)")


class Terminal:
    """A command in a terminal of its own: what it prints is read, keys are pressed when it waits for them."""

    def __init__(self, *arguments: str, largest_file: int = 0, **environment: str) -> None:
        self._own, other = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment}

        def prepare() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if largest_file:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        self.process = subprocess.Popen(
            [sys.executable, "-m", "kinema", *arguments], stdin=other, stdout=other, stderr=other, env=env,
            start_new_session=True, preexec_fn=prepare,
        )  # fmt: skip
        os.close(other)
        os.set_blocking(self._own, False)
        self._raw, self.said = b"", ""

    def until(self, text: str, *, after: int = 0) -> None:
        """Wait until something was printed behind the place `after`."""
        self.wait(lambda: text in self.said[after:], f"{text!r} was not printed")

    def press(self, key: str, *says: str) -> None:
        """Press a key as soon as keys are taken one by one, and wait for what it answers."""
        self.wait(lambda: not termios.tcgetattr(self._own)[3] & termios.ICANON, "no key is waited for")
        self._write(key, says)

    def type(self, line: str, *says: str) -> None:
        """Type a line, and wait for what it answers."""
        self._write(f"{line}\n", says)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        self.wait(lambda: self.process.poll() is not None, "it does not end")
        self._read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._own)

    def _write(self, text: str, says: Sequence[str]) -> None:
        self._read()
        place = len(self.said)
        os.write(self._own, text.encode())
        for answer in says:
            self.until(answer, after=place)

    def wait(self, met: Callable[[], bool], otherwise: str) -> None:
        """Wait until something is so; fail where it never is, or the command has ended before."""
        until = time.monotonic() + 120
        while not met():
            self._read()
            if met():
                return
            if time.monotonic() > until or self.process.poll() is not None:
                self._read()
                if met():
                    return
                raise AssertionError(f"{otherwise}; it said: {self.said}")
            time.sleep(0.01)

    def _read(self) -> None:
        try:
            while piece := os.read(self._own, 65536):
                self._raw += piece
        except (BlockingIOError, OSError):  # nothing yet; or it has ended
            pass
        self.said = _COLOURS.sub("", self._raw.decode(errors="replace"))


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """`terminal("mine", "review", …)` runs kinema in a terminal."""
    opened: list[Terminal] = []

    def start(*arguments: str, **how: Any) -> Terminal:
        opened.append(Terminal(*arguments, **how))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def player(tmp_path: Path) -> tuple[str, Path]:
    """A player that writes down what it was given and plays until it is ended; and where it does."""
    program, shown = tmp_path / "player", tmp_path / "shown.txt"
    program.write_text(f'#!/bin/sh\necho "$$ $2" >> "{shown}"\nexec sleep 600\n')
    program.chmod(0o755)
    return f"'{program}' --loop", shown


def decisions(folder: Path) -> list[tuple[str, str, str]]:
    lines = (folder / "clips.review.jsonl").read_text().splitlines()
    return [(one["reviewer"], one["verdict"], one["label"]) for one in map(json.loads, lines)]


def test_a_review_by_keys_from_the_first_clip_to_the_manifest(
    mined: Path, player: tuple[str, Path], terminal: Callable[..., Terminal]
) -> None:
    command, shown = player
    kinema = terminal("mine", "review", str(mined), "--reviewer", "ann", "--player", command)
    kinema.until("Does it show wave?  score 0.75 · film_a.mp4 · 3.0 to 5.0 s")
    kinema.until("0 of 5 reviewed, 0 accepted, 0 by ann")
    # The fourth clip shows the same, and comes next for that.
    kinema.press(
        "a", "Does it show kick?  score 0.75 · film_c.mp4 · 5.0 to 7.0 s · the same footage as before"
    )
    kinema.press("r", "1  wave", "What does it show?")
    kinema.type("1", "relabel: wave", "film_a.mp4 · 9.0 to 11.0 s")
    kinema.press("w", "Does it show wave?  score 0.75 · film_b.mp4")
    kinema.press("u", "taken back: wrong", "film_a.mp4 · 9.0 to 11.0 s")
    kinema.press("r", "What does it show?")
    kinema.type("high five", "'high five' is a new label. Take it?")
    kinema.type("n", "not relabelled")
    kinema.press("a", "film_b.mp4 · 2.0 to 4.0 s")
    kinema.press("s", "film_b.mp4 · 8.0 to 10.0 s")
    kinema.press("a", "nothing is left for you")
    assert kinema.end() == 0
    assert decisions(mined) == [
        ("ann", "accept", "wave"),
        ("ann", "relabel", "wave"),
        ("ann", "wrong", ""),
        ("ann", "undo", ""),
        ("ann", "accept", "kick"),
        ("ann", "skip", ""),
        ("ann", "accept", "kick"),
    ]
    names = [Path(line.split(" ", 1)[1]).name for line in shown.read_text().splitlines()]
    assert names[:3] == [
        "film_a__wave__3.00-5.00.mp4",
        "film_c__kick__5.00-7.00.mp4",
        "film_a__kick__9.00-11.00.mp4",
    ]
    assert "4 of 5 clips reviewed: 4 accepted, 0 wrong, 0 disputed" in kinema.said
    assert f"kinema train {mined / 'clips.accepted.csv'}" in kinema.said
    rows = {s.name: (s.label, s.group) for s in read_data(mined / "clips.accepted.csv").segments()}
    assert rows == {
        "clips/film_a__wave__3.00-5.00.mp4": ("wave", "film_a.mp4"),
        # Near-duplicates of two films are one group.
        "clips/film_c__kick__5.00-7.00.mp4": ("wave", "film_a.mp4"),
        "clips/film_a__kick__9.00-11.00.mp4": ("kick", "film_a.mp4"),
        "clips/film_b__kick__8.00-10.00.mp4": ("kick", "film_b.mp4"),
    }


@pytest.mark.slow
def test_the_player_shows_one_clip_at_a_time_and_none_in_the_end(
    mined: Path, player: tuple[str, Path], terminal: Callable[..., Terminal]
) -> None:
    kinema = terminal("mine", "review", str(mined), "--no-near", "--player", player[0])
    shown = player[1]

    def opened(times: int) -> None:  # a player that is ended at once has not told of itself yet
        kinema.wait(
            lambda: shown.exists() and len(shown.read_text().splitlines()) == times,
            f"no player was started for the {times}. time",
        )

    kinema.until("film_a.mp4 · 3.0")
    opened(1)
    kinema.press("a", "film_a.mp4 · 9.0")
    opened(2)
    kinema.press("o")
    opened(3)
    numbers = [int(line.split()[0]) for line in shown.read_text().splitlines()]
    assert [_alive(number) for number in numbers] == [False, False, True]
    kinema.press("q")
    assert kinema.end() == 0
    assert not _alive(numbers[-1])


def _alive(number: int) -> bool:
    try:
        return "(sleep) Z" not in Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False


@pytest.mark.slow
def test_two_reviewers_must_agree_and_others_join_later(
    mined: Path, terminal: Callable[..., Terminal]
) -> None:
    rules = ["--need", "2", "--no-near", "--no-open"]
    for name, keys in (("ann", "aaq"), ("bob", "awq")):
        kinema = terminal("mine", "review", str(mined / "clips.csv"), "--reviewer", name, *rules)
        kinema.until("q quit")
        for key in keys:
            kinema.press(key, *(["q quit"] if key != "q" else []))
        assert kinema.end() == 0
    # One clip was accepted by both; on the other they differ.
    assert "2 of 5 clips reviewed: 1 accepted, 0 wrong, 1 disputed" in kinema.said
    assert "bob: 2 votes, 0 skipped, agrees with the others on 1 of 2" in kinema.said
    assert len(read_data(mined / "clips.accepted.csv").segments()) == 1


@pytest.mark.slow
def test_without_a_player_the_path_is_printed(mined: Path, terminal: Callable[..., Terminal]) -> None:
    kinema = terminal("mine", "review", str(mined), "--no-near", DISPLAY="", WAYLAND_DISPLAY="")
    kinema.until("no player on this machine")
    kinema.until(str(mined / "clips" / "film_a__wave__3.00-5.00.mp4"))
    kinema.press("?", "skip: you cannot say")
    kinema.press("\x04")  # the end of input
    assert kinema.end() == 0
    assert not (mined / "clips.accepted.csv").exists()
    assert "no accepted clip to make a manifest of" in kinema.said


def test_ctrl_c_keeps_what_was_decided_and_gives_the_terminal_back(
    mined: Path, terminal: Callable[..., Terminal]
) -> None:
    kinema = terminal("mine", "review", str(mined), "--no-near", "--no-open")
    kinema.until("q quit")
    kinema.press("a", "q quit")
    kinema.press("\x03")
    assert kinema.end() == 130
    assert "Traceback" not in kinema.said
    assert [verdict for _, verdict, _ in decisions(mined)] == ["accept"]
    assert termios.tcgetattr(kinema._own)[3] & termios.ICANON


@pytest.mark.slow
def test_kill_9_loses_no_decision(mined: Path, terminal: Callable[..., Terminal]) -> None:
    kinema = terminal("mine", "review", str(mined), "--no-near", "--no-open")
    kinema.until("q quit")
    kinema.press("w", "q quit")
    kinema.process.send_signal(signal.SIGKILL)
    kinema.end()
    assert [verdict for _, verdict, _ in decisions(mined)] == ["wrong"]
    again = terminal("mine", "review", str(mined), "--no-near", "--no-open")
    again.until("1 of 5 reviewed")
    again.until("film_a.mp4 · 9.0")
    again.press("q")
    assert again.end() == 0


@pytest.mark.slow
def test_a_player_that_is_not_there_is_named_before_anything_is_read(
    mined: Path, terminal: Callable[..., Terminal]
) -> None:
    kinema = terminal("mine", "review", str(mined), "--player", "no-such-player --loop")
    assert kinema.end() == 2
    assert "--player 'no-such-player --loop': no such program" in kinema.said


def test_a_broken_clip_is_told_and_the_review_goes_on(
    mined: Path, player: tuple[str, Path], terminal: Callable[..., Terminal]
) -> None:
    (mined / "clips" / "film_a__wave__3.00-5.00.mp4").unlink()
    kinema = terminal("mine", "review", str(mined), "--no-near", "--player", player[0])
    kinema.until("no such file; it may have been moved")
    kinema.press("w", "film_a.mp4 · 9.0")
    kinema.press("q")
    assert kinema.end() == 0


def test_a_full_disk_is_said_and_what_was_decided_before_stays(
    mined: Path, terminal: Callable[..., Terminal]
) -> None:
    # A decision takes two hundred bytes; the second one finds no room for its last.
    kinema = terminal("mine", "review", str(mined), "--no-near", "--no-open", largest_file=300)
    kinema.until("q quit")
    kinema.press("a", "q quit")
    kinema.press("w")
    assert kinema.end() == 1
    assert "clips.review.jsonl: cannot be written: No space left on device" in kinema.said
    assert "Traceback" not in kinema.said
    assert [verdict for _, verdict, _ in decisions(mined)] == ["accept"]

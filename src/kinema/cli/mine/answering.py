"""Answering at a terminal: a clip is shown, a key is taken, the next one comes."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path, PurePath

import typer
from rich.markup import escape

from kinema.cli.console import console, say, warn
from kinema.cli.mine.player import Player
from kinema.errors import KinemaError
from kinema.mining.review import LONGEST_LABEL, Candidate, Session, Verdict, playable

_KEYS = {
    "a": "accept: it shows the label",
    "w": "wrong: it does not",
    "r": "relabel: it shows another one",
    "s": "skip: you cannot say",
    "u": "undo your last decision",
    "o": "open the clip again",
    "q": "quit; the same command goes on from here",
    "?": "this list",
}
_VERDICTS = {"a": Verdict.ACCEPT, "w": Verdict.WRONG, "s": Verdict.SKIP}


def answer_all(session: Session, player: Player | None, root: Path) -> None:
    """Show clip after clip until none is left, or the reviewer has had enough. `root`: where the clips' paths start from."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kinema-review-")))
        if player is not None:
            stack.enter_context(player)
            if not player.opens:
                say("no player on this machine: open the clips as you like, or name one with --player")
        screen = _Screen(session, player if player is not None and player.opens else None, root, folder)
        while (clip := session.clip()) is not None:
            screen.show(clip)
            if not screen.answered(clip):
                return
    say("nothing is left for you")


class _Screen:
    def __init__(self, session: Session, player: Player | None, root: Path, folder: Path) -> None:
        self._session, self._player = session, player
        self._root, self._folder = root, folder

    def show(self, clip: Candidate) -> None:
        """Say what is asked, and open the clip or say where it lies."""
        done = self._session.progress()
        who = self._session.reviewer
        say(f"\n{done.settled} of {done.total} reviewed, {done.accepted} accepted, {done.mine} by {who}")
        about = " · ".join(
            [*_about(clip), *(["the same footage as before"] if self._session.shows_the_same else [])]
        )
        console.print(f"Does it show [bold]{escape(clip.label)}[/bold]?  {escape(about)}".rstrip())
        self._open(clip)
        console.print("[dim]a accept  w wrong  r relabel  s skip  u undo  o open again  q quit  ? help[/dim]")

    def answered(self, clip: Candidate) -> bool:
        """Take keys until the clip is decided or another one is up; False when the reviewer wants to end."""
        while True:
            key = _key()
            if key == "q":
                return False
            if key in _VERDICTS or key == "r":
                label = self._other(clip) if key == "r" else ""
                if key == "r" and not label:
                    say("not relabelled; which key?")
                    continue
                made = self._session.decide(_VERDICTS.get(key, Verdict.RELABEL), label)
                say(f"{made.verdict}: {made.label or clip.label}")
                return True
            if key == "u":
                taken = self._session.undo()
                if taken is not None:
                    say(f"taken back: {taken.verdict} {taken.label}".rstrip())
                    return True
                say("nothing to take back")
            elif key in ("o", " "):
                self._open(clip)
            elif key == "?":
                for name, meaning in _KEYS.items():
                    say(f"  {name}  {meaning}")

    def _open(self, clip: Candidate) -> None:
        if self._player is None:
            say(f"  {self._root / (clip.path or clip.video)}")
            return
        try:
            path = playable(clip, self._root, self._folder)
        except KinemaError as error:  # it can still be skipped, or called wrong
            warn(str(error))
            return
        say(f"  {path}")
        if not self._player.show(path):
            warn("the player does not start; open the clip yourself")

    def _other(self, clip: Candidate) -> str:
        """Ask for another label: its number, its name, or a new one; "" for none."""
        known = [label for label in self._session.labels() if label != clip.label]
        for number, label in enumerate(known, 1):
            say(f"  {number}  {label}")
        try:
            typed = " ".join(input("What does it show? Number or name, nothing to go back: ").split())
            if typed.isdecimal() and 1 <= int(typed) <= len(known):
                return known[int(typed) - 1]
            if not typed or typed in known or typed == clip.label:
                return typed
            if len(typed) > LONGEST_LABEL:
                say(f"a label has at most {LONGEST_LABEL} letters")
                return ""
            sure = input(f"'{typed}' is a new label. Take it? y or n: ")
        except EOFError:
            say("")
            return ""
        return typed if sure.strip().lower() in ("y", "yes") else ""


def _key() -> str:
    """Wait for a key; "q" at the end of input, "" for one that means nothing."""
    try:
        got = typer.getchar()
    except EOFError:
        return "q"
    if "\x03" in got:
        raise KeyboardInterrupt
    # Of keys that came at once the first counts: the others were meant for no clip that was seen.
    return "" if got.startswith("\x1b") else got[:1].lower() or "q"


def _about(clip: Candidate) -> list[str]:
    found = [] if clip.score is None else [f"score {clip.score:.2f}"]
    if source := clip.group or clip.video:
        found.append(source if "://" in source else PurePath(source).name)
    if clip.start is not None and clip.end is not None:
        found.append(f"{clip.start:.1f} to {clip.end:.1f} s")
    return found

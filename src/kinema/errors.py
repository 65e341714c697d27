"""Errors that a user can meet. Each carries one line that names the file, what is wrong and the mend."""

from __future__ import annotations


class KinemaError(Exception):
    """Any failure that the user can act on; the command line prints its text alone and exits with `exit_code`."""

    exit_code = 1


class UsageError(KinemaError):
    """The call is wrong: an unknown name, a setting out of range, options that exclude each other."""

    exit_code = 2


class DataError(KinemaError):
    """The input is wrong: a missing or unreadable file, a table without its columns, too few clips."""

    exit_code = 3


_SHOWN = 20


def closest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a sentence that names the known words nearest to an unknown one.

    >>> closest("lrcm", ["lrcn", "frame_mlp"])
    "did you mean 'lrcn'? Known: frame_mlp, lrcn"
    """
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    # Of many words the nearest twenty: a line that nobody reads to its end helps nobody.
    shown = sorted(get_close_matches(name, known, n=_SHOWN, cutoff=0.0) if len(known) > _SHOWN else known)
    rest = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return f"{hint}Known: {', '.join(shown)}{rest}"


def first_line(error: BaseException) -> str:
    """Return what an error of another library says, in at most 120 characters of one line.

    >>> first_line(ValueError("no such file\\nand more"))
    'no such file'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]

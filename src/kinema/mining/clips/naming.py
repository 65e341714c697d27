"""Names of clips: `VIDEO__LABEL__START-END.mp4`, safe on every file system and never the same twice."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

_LONGEST = 80  # bytes of a part; file systems allow 255 for a name


def safe(text: str) -> str:
    """Return a text with letters, digits, dots and dashes only; what else it holds becomes single underscores.

    >>> safe("shaking hands / 2"), safe("..x__y")
    ('shaking_hands_2', 'x_y')
    """
    kept = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFKC", text))
    kept = re.sub(r"_+", "_", kept).strip("._") or "x"
    data = kept.encode()
    if len(data) <= _LONGEST:
        return kept
    return data[: _LONGEST - 7].decode(errors="ignore") + "-" + hashlib.sha256(data).hexdigest()[:6]


def video_words(videos: Sequence[tuple[Path, str]], taken: Mapping[str, str] | None = None) -> list[str]:
    """Return the first part of the names of each video's clips: its stem, with a short hash where two share it.

    `videos`: paths and hashes of their contents. `taken`: words of earlier calls, in lower case, and whose hashes they are.
    """
    stems = [safe(path.name if path.is_dir() else path.stem) for path, _ in videos]
    counts = Counter(stem.casefold() for stem in stems)
    words = []
    for stem, (_, content) in zip(stems, videos, strict=True):
        other = (taken or {}).get(stem.casefold(), content) != content
        words.append(f"{stem}-{content[:6]}" if counts[stem.casefold()] > 1 or other else stem)
    return words


def label_words(labels: Sequence[str]) -> dict[str, str]:
    """Return a word for each label, numbered where two labels would be written alike."""
    words: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        word = plain = safe(label)
        number = 2
        while word.casefold() in taken:
            word, number = f"{plain}-{number}", number + 1
        taken.add(word.casefold())
        words[label] = word
    return words


def clip_name(video: str, label: str, start: float, end: float) -> str:
    """Return the name of a clip's file, times in seconds.

    >>> clip_name("film", "hugging", 3, 8)
    'film__hugging__3.00-8.00.mp4'
    """
    return f"{video}__{label}__{start:.2f}-{end:.2f}.mp4"

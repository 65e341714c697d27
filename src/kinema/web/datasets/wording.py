"""Sentences of the library on a page: they name options of the command line, for which a page has fields."""

from __future__ import annotations

import re

_SAID = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (
            r"group them in blocks of N \(--group-block N\)",
            "say so in “Clips of one recording or person” at the import",
        ),
        (
            r" \(--group-pattern, --group-(?:column|block)\)",
            " (“Clips of one recording or person”, at the import)",
        ),
        (r",? or add --allow-leakage\b", ""),
        (r"split again with kinema data split --replace", "split it, with “Forget the splits that it has”"),
        (r", or download what this list names: kinema data fetch .*", ""),
        (r"run kinema data check and leave it out", "check the data, and leave it out"),
        (r"--videos\b", "“Folder of the videos”"),
        (r"leave out --folds", "test on the test split"),
        (r"--set ", ""),
    )
)


def on_a_page(sentence: str) -> str:
    """Return a sentence with the names of fields in place of options.

    >>> on_a_page("a.csv: none is there; give their folder with --videos")
    'a.csv: none is there; give their folder with “Folder of the videos”'
    """
    for pattern, said in _SAID:
        sentence = pattern.sub(said, sentence)
    return sentence

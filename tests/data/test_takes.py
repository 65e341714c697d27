"""Names of actions that are taught, and what a number of takes is good for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kinema.data.takes import checked_label, readiness, tell_sides
from kinema.errors import UsageError


@pytest.mark.parametrize(
    ("labels", "sides"),
    [
        (["swipe left", "wave"], True),
        (["turn_RIGHT", "wave"], True),
        (["Handzeichen-links", "wave"], True),
        (["gauche", "wave"], True),
        (["bright light", "leftovers"], False),
        (["copyright", "wave"], False),
    ],
)
def test_names_that_tell_left_from_right_are_found_as_words(labels: list[str], sides: bool) -> None:
    assert tell_sides(labels) is sides


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("   ", "an action needs a name"),
        ("x" * 41, "at most 40 letters"),
        ("a\x00b", "letters, digits and spaces"),
        ("../etc", "letters, digits and spaces"),
        ("Prediction", "taken by kinema's tables"),
        ("WAVE", "there is an action of this name already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        checked_label(text, ["wave"])
    assert "\n" not in str(caught.value)


def test_a_name_loses_needless_spaces_and_nothing_is_always_written_small() -> None:
    assert checked_label("  thumbs \t up") == "thumbs up"
    assert checked_label("Nothing") == "nothing"
    assert checked_label("cafe\u0301") == "caf\u00e9"


@pytest.mark.parametrize(
    ("takes", "can_train", "can_estimate", "text"),
    [
        (
            {"wave": 4},
            False,
            False,
            "Name a second action, or 'nothing': a recognizer tells at least two apart.",
        ),
        (
            {"nothing": 4},
            False,
            False,
            "Name a second action, or 'nothing': a recognizer tells at least two apart.",
        ),
        ({"wave": 4, "clap": 0, "sit": 0}, False, False, "Record takes of 'clap' and 'sit'."),
        (
            {"wave": 4, "clap": 1},
            True,
            False,
            "Record a second take of 'clap': one to learn from, one to be tested with.",
        ),
        ({"wave": 4, "clap": 3}, True, True, "Ready. Better with 1 more take of 'clap'."),
        ({"wave": 4, "nothing": 5}, True, True, "Ready."),
    ],
)
def test_takes_are_good_for(takes: dict[str, int], can_train: bool, can_estimate: bool, text: str) -> None:
    found = readiness(takes)
    assert (found.can_train, found.can_estimate, found.text) == (can_train, can_estimate, text)


def test_a_server_checks_names_and_counts_takes_without_torch() -> None:
    """torch takes seconds and some hundred megabytes that a page has no need of."""
    program = (
        "import os, sys, tempfile\n"
        "os.environ |= {'KINEMA_SITE': tempfile.mkdtemp(), 'DJANGO_SETTINGS_MODULE': 'kinema.web.settings'}\n"
        "import django; django.setup()\n"
        "import kinema.web.teach.pages\n"
        "from kinema.data.takes import checked_label, readiness\n"
        "checked_label('wave'), readiness({'wave': 4})\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    pytest.importorskip("django", reason="the web extra is not installed")
    assert subprocess.run([sys.executable, "-c", program], timeout=250).returncode == 0

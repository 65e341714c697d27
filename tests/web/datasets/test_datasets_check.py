"""Data in the site: every clip decoded, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_check_lists_the_bad_clips_and_writes_a_manifest_without_them(
    client: Any, imported: Any, quiet: Any
) -> None:
    from kinema.data import Manifest
    from kinema.web.datasets import catalogue, tasks

    before = imported.path.read_bytes()
    assert tasks.check_data({"key": imported.key}, quiet)["bad"] == 1
    page = client.get(f"/datasets/{imported.key}/check/").content.decode()
    assert "person04_wave_1.mp4" in page
    assert "unreadable" in page
    shown = client.get(f"/datasets/{imported.key}/clips/?state=bad").content.decode()
    assert "person04_wave_1.mp4" in shown
    assert "person01_wave_1.mp4" not in shown
    answer = client.post(f"/datasets/{imported.key}/check/clean/")
    assert answer.status_code == 302
    clean = next(one for one in catalogue.made_here() if one.key != imported.key)
    assert clean.title == "Made up, checked"
    assert len(Manifest.read(clean.path)) == 12
    assert imported.path.read_bytes() == before


def test_a_report_of_other_rows_is_not_used(client: Any, imported: Any, quiet: Any) -> None:
    from kinema.web.datasets import tasks

    tasks.check_data({"key": imported.key}, quiet)
    lines = imported.path.read_text().splitlines()
    imported.path.write_text("\n".join(lines[:-1]) + "\n")
    assert (
        "has changed since its last check" in client.get(f"/datasets/{imported.key}/check/").content.decode()
    )
    assert client.post(f"/datasets/{imported.key}/check/clean/").status_code == 400


def test_what_a_check_found_goes_with_the_clips(
    client: Any, imported: Any, quiet: Any, split_it: Callable[..., str]
) -> None:
    from kinema.web.datasets import catalogue, reports, tasks

    tasks.check_data({"key": imported.key}, quiet)
    client.post(f"/datasets/{imported.key}/check/clean/")
    clean = next(one for one in catalogue.made_here() if one.key != imported.key)
    known = reports.report(clean)
    assert known is not None and known.fits(catalogue.load(clean))
    assert known.counts == {"good": 12, "warning": 0, "bad": 0}
    assert known.seconds == pytest.approx(24.0, abs=0.1)  # 12 clips of 20 frames at 10 a second
    split_it(clean, "7777777777", fractions={"train": 0.5, "test": 0.5})
    split = next(one for one in catalogue.made_here() if "7777777777" in one.path.name)
    page = client.get(f"/datasets/{split.key}/check/").content.decode()
    assert "The clips were checked before this manifest was made of another" in page
    assert "24.0 s" in client.get(f"/datasets/{split.key}/").content.decode()

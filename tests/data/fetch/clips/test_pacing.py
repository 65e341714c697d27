"""Limits of a site: Retry-After and back-off hold for every worker, and at last the run gives up."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from yt_dlp.networking.exceptions import HTTPError

from kinema.data.fetch.pacing import Pacing, StoppedError
from kinema.data.fetch.youtube import Site

pytest.importorskip("yt_dlp", reason="needs the download extra")


def _site(clip_site: Any, folder: Path, **settings: Any) -> Site:
    pacing = settings.pop("pacing", None) or Pacing(2, first_wait=0.1)
    settings = {"short_side": 120, "rest": 0.01, **settings}
    return Site(pacing, folder / ".partial", address=clip_site.address, **settings)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(clip_site: Any, half_minute: bytes, tmp_path: Path, status: int) -> None:
    clip_site.videos["a"] = half_minute
    clip_site.refusals["a"] = [(status, {"Retry-After": "1"})]
    pacing = Pacing(2, first_wait=60)
    _site(clip_site, tmp_path, pacing=pacing).fetch("a", 0, 2, tmp_path / "clip.mp4")
    waited = clip_site.log[1].when - clip_site.log[0].when
    assert 1.0 <= waited < 3.0
    assert pacing.refusals == 1


def test_one_refusal_stops_every_worker(clip_site: Any, half_minute: bytes, tmp_path: Path) -> None:
    clip_site.videos |= {"a": half_minute, "b": half_minute}
    clip_site.refusals["a"] = [(429, {"Retry-After": "1"})]
    pacing = Pacing(2)
    site = _site(clip_site, tmp_path, pacing=pacing)
    with pytest.raises(HTTPError):
        site._client().urlopen(site.url("a"))
    refused = clip_site.log[0].when
    thread = threading.Thread(target=lambda: site._client().urlopen(site.url("b")).close())
    thread.start()
    thread.join(20)
    assert clip_site.log[1].name == "b"
    assert clip_site.log[1].when - refused >= 1.0
    assert pacing.allowed == 1


def test_the_back_off_doubles_and_then_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("kinema.data.fetch.pacing.monotonic", lambda: now[0])
    pacing = Pacing(8, first_wait=30, longest_wait=100, most_refusals=4, seed=1)
    waits, allowed = [], []
    for _ in range(4):
        pacing.refused(now[0], None, "example.org answers HTTP 429")
        waits.append(pacing.waiting)
        allowed.append(pacing.allowed)
        now[0] += pacing.waiting
    bounds = [(22.5, 37.5), (45, 75), (75, 125), (75, 125)]
    assert all(low <= wait <= high for wait, (low, high) in zip(waits, bounds, strict=True)), waits
    assert allowed == [4, 2, 1, 1]
    pacing.refused(now[0], None, "example.org answers HTTP 429")
    assert "HTTP 429, 5 times in a row; what was fetched is kept" in str(pacing.gave_up)
    with pytest.raises(StoppedError):
        pacing.wait()


def test_a_refusal_met_by_many_counts_once_and_answers_win_workers_back() -> None:
    pacing = Pacing(4)
    asked = time.monotonic()
    for _ in range(4):
        pacing.refused(asked, 5.0, "HTTP 429")
    assert pacing.refusals == 1
    assert pacing.allowed == 2
    assert 4.0 < pacing.waiting <= 5.0
    for _ in range(20):
        pacing.answered()
    assert pacing.allowed == 4


def test_a_site_that_asks_for_hours_ends_the_run() -> None:
    pacing = Pacing(4, patience=3600)
    pacing.refused(time.monotonic(), 7200.0, "example.org answers HTTP 429")
    assert "asks to come back in 120 minutes" in str(pacing.gave_up)

"""A run over clips of Kinetics that survives refusals, interruptions and dead videos."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data.fetch import kinetics
from kinema.data.fetch.failures import FAILURES, Failure, Fetched, write_failures
from kinema.data.fetch.kinetics import fetch_kinetics
from kinema.data.fetch.pacing import Pacing
from kinema.data.manifest import Manifest
from kinema.errors import KinemaError, UsageError

pytest.importorskip("yt_dlp", reason="needs the download extra")
HEADER = "label,youtube_id,time_start,time_end,split\n"
Seconds = Callable[[Path], list[int]]


def _list(folder: Path, *rows: str, name: str = "list.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def _fetch(clip_site: Any, out: Path, lists: Path, **settings: Any) -> Fetched:
    settings = {"connections": 2, "rest": 0.01, "short_side": 60, "address": clip_site.address, **settings}
    return fetch_kinetics("kinetics400", out, lists=lists, **settings)


def _failures(out: Path) -> dict[str, dict[str, str]]:
    with (out / FAILURES).open(encoding="utf-8", newline="") as handle:
        return {row["name"]: row for row in csv.DictReader(handle)}


def test_a_run_against_a_site_and_the_next_run(
    clip_site: Any, half_minute: bytes, tmp_path: Path, seconds_in: Seconds
) -> None:
    clip_site.videos |= {"goodvideo01": half_minute, "goodvideo02": half_minute, "shortvideo1": half_minute}
    clip_site.refusals |= {"privatevid1": [(401, {})] * 9, "blockedvid1": [(451, {})] * 9}
    clip_site.refusals["forbidden01"] = [(403, {})] * 9
    lists = _list(
        tmp_path,
        "yoga,goodvideo01,3,5,train",
        "yoga,goodvideo01,26,28,train",
        "yoga,removedvid1,0,10,train",
        "juggling balls,goodvideo02,10,12,validate",
        "juggling balls,privatevid1,10,12,train",
        "juggling balls,blockedvid1,10,12,train",
        "juggling balls,forbidden01,10,12,train",
        "juggling balls,shortvideo1,25,35,train",
        "slapping,goodvideo01,0,2,train",
    )
    out = tmp_path / "out"
    seen: list[tuple[int, int, str]] = []
    fetched = _fetch(
        clip_site, out, lists, classes=["yoga", "juggling balls"], progress=lambda *step: seen.append(step)
    )
    assert fetched == Fetched(3, 0, 5, out, out / FAILURES, out / "manifest.csv")
    assert seconds_in(out / "yoga" / "goodvideo01_000003_000005.mp4") == [3, 4]
    assert seconds_in(out / "yoga" / "goodvideo01_000026_000028.mp4") == [26, 27]
    assert (out / "manifest.csv").read_text(encoding="utf-8").splitlines() == [
        "video,start,end,label,split,group",
        "yoga/goodvideo01_000003_000005.mp4,,,yoga,train,goodvideo01",
        "yoga/goodvideo01_000026_000028.mp4,,,yoga,train,goodvideo01",
        "juggling balls/goodvideo02_000010_000012.mp4,,,juggling balls,valid,goodvideo02",
    ]
    reasons = {name: row["reason"].partition(":")[0] for name, row in _failures(out).items()}
    assert reasons == {
        "juggling balls/blockedvid1_000010_000012.mp4": "unavailable in this country",
        "juggling balls/forbidden01_000010_000012.mp4": "refused",
        "juggling balls/privatevid1_000010_000012.mp4": "private",
        "juggling balls/shortvideo1_000025_000035.mp4": "too short",
        "yoga/removedvid1_000000_000010.mp4": "removed",
    }
    row = _failures(out)["juggling balls/forbidden01_000010_000012.mp4"]
    assert (row["url"], row["tries"]) == (clip_site.address.replace("{id}", "forbidden01"), "2")
    assert (seen[0][:2], seen[-1][:2]) == ((0, 8), (8, 8))
    assert not (out / ".partial").exists()

    # The next run asks only for what may have passed, and for other classes.
    clip_site.log.clear()
    clip_site.videos["forbidden01"], clip_site.refusals["forbidden01"] = half_minute, []
    fetched = _fetch(clip_site, out, lists)
    assert (fetched.done, fetched.present, fetched.failed) == (2, 3, 4)
    assert {request.name for request in clip_site.log} == {"forbidden01", "goodvideo01"}
    assert len(_failures(out)) == 4
    assert Manifest.read(out / "manifest.csv").validate().classes == ["juggling balls", "slapping", "yoga"]

    # And this one asks for the lost ones again.
    clip_site.videos["privatevid1"], clip_site.refusals["privatevid1"] = half_minute, []
    fetched = _fetch(clip_site, out, lists, retry_failed=True)
    assert (fetched.done, fetched.present, fetched.failed) == (1, 5, 3)
    assert "juggling balls/privatevid1_000010_000012.mp4" not in _failures(out)
    assert _failures(out)["yoga/removedvid1_000000_000010.mp4"]["tries"] == "2"


def test_a_clip_that_does_not_decode_is_fetched_again(
    clip_site: Any, half_minute: bytes, tmp_path: Path
) -> None:
    clip_site.videos |= {"goodvideo01": half_minute}
    lists = _list(tmp_path, "yoga,goodvideo01,3,5,train", "yoga,goodvideo01,6,8,train")
    _fetch(clip_site, tmp_path, lists)
    whole = tmp_path / "yoga" / "goodvideo01_000003_000005.mp4"
    whole.write_bytes(whole.read_bytes()[:2000])
    fetched = _fetch(clip_site, tmp_path, lists)
    assert (fetched.done, fetched.present) == (1, 1)
    assert whole.stat().st_size > 2000
    # Where it cannot be had again, the damaged file is in no manifest.
    whole.write_bytes(whole.read_bytes()[:2000])
    clip_site.refusals["goodvideo01"] = [(410, {})] * 9
    assert _fetch(clip_site, tmp_path, lists).failed == 1
    assert list(Manifest.read(tmp_path / "manifest.csv").table["video"]) == [
        "yoga/goodvideo01_000006_000008.mp4"
    ]


def test_too_many_requests_pause_all_workers_and_nothing_is_lost(
    clip_site: Any, half_minute: bytes, tmp_path: Path
) -> None:
    names = [f"video{n:06d}" for n in range(6)]
    clip_site.videos |= dict.fromkeys(names, half_minute)
    clip_site.refusals["video000002"] = [(429, {"Retry-After": "2"})]
    lists = _list(tmp_path, *(f"yoga,{name},0,1,train" for name in names))
    said: list[str] = []
    fetched = _fetch(
        clip_site, tmp_path, lists, connections=3, progress=lambda done, total, text: said.append(text)
    )
    assert (fetched.done, fetched.failed) == (6, 0)
    refused = next(n for n, request in enumerate(clip_site.log) if request.name == "video000002")
    told = clip_site.log[refused].when
    # Requests that were under way may end; none begins before the two seconds are over.
    during = [r for r in clip_site.log if told + 0.3 < r.when < told + 2.0]
    assert during == []
    assert any("asks for a pause" in text for text in said)
    assert clip_site.most_at_once <= 3


def test_a_site_that_keeps_refusing_ends_the_run_with_what_there_is(
    clip_site: Any, half_minute: bytes, tmp_path: Path
) -> None:
    clip_site.videos["goodvideo01"] = half_minute
    clip_site.refusals["refusing001"] = [(429, {})] * 99
    lists = _list(tmp_path, "yoga,goodvideo01,0,1,train", "yoga,refusing001,0,1,train")
    pacing = Pacing(1, first_wait=0.01, longest_wait=0.02, most_refusals=3)
    with pytest.raises(
        KinemaError, match=r"answers HTTP 429 Too Many Requests, 4 times in a row; .* same command"
    ):
        _fetch(clip_site, tmp_path, lists, connections=1, pacing=pacing)
    assert len(Manifest.read(tmp_path / "manifest.csv")) == 1
    assert clip_site.asked("refusing001") == 4

    clip_site.refusals.clear()
    clip_site.videos["refusing001"] = half_minute
    fetched = _fetch(clip_site, tmp_path, lists)
    assert (fetched.done, fetched.present, fetched.failed) == (1, 1, 0)


def test_an_interrupted_run_leaves_whole_clips_and_a_manifest(
    clip_site: Any, half_minute: bytes, tmp_path: Path
) -> None:
    names = [f"video{n:06d}" for n in range(20)]
    clip_site.videos |= dict.fromkeys(names, half_minute)
    lists = _list(tmp_path, *(f"yoga,{name},0,1,train" for name in names))

    def interrupt(done: int, total: int, text: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    began = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        _fetch(clip_site, tmp_path, lists, progress=interrupt)
    there = len(Manifest.read(tmp_path / "manifest.csv"))
    assert 3 <= there <= 6
    assert len(list((tmp_path / "yoga").iterdir())) == there  # no half-written files
    assert not (tmp_path / ".partial").exists()
    assert threading.active_count() <= began + 2  # the site's own

    fetched = _fetch(clip_site, tmp_path, lists)
    assert (fetched.done, fetched.present) == (20 - there, there)


def test_earlier_failures_of_other_clips_are_kept(clip_site: Any, half_minute: bytes, tmp_path: Path) -> None:
    clip_site.videos["goodvideo01"] = half_minute
    write_failures(
        tmp_path / FAILURES, [Failure("slapping/x_000000_000010.mp4", "u", "private: p", 1, "then")]
    )
    lists = _list(tmp_path, "yoga,goodvideo01,0,1,train", "yoga,nonsense id,0,1,train")
    fetched = _fetch(clip_site, tmp_path, lists)
    assert (fetched.done, fetched.failed) == (1, 1)
    assert {name: row["reason"] for name, row in _failures(tmp_path).items()} == {
        "slapping/x_000000_000010.mp4": "private: p",
        "list.csv line 3": "unreadable row: 'nonsense id' is not the id of a video",
    }


def test_nothing_to_be_had_makes_no_manifest(clip_site: Any, tmp_path: Path) -> None:
    fetched = _fetch(clip_site, tmp_path, _list(tmp_path, "yoga,removedvid1,0,1,train"))
    assert (fetched.done, fetched.failed, fetched.manifest) == (0, 1, None)


def test_a_mirror_is_named_by_the_environment(
    clip_site: Any, half_minute: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_site.videos["goodvideo01"] = half_minute
    monkeypatch.setenv("KINEMA_KINETICS_ADDRESS", clip_site.address)
    lists = _list(tmp_path, "yoga,goodvideo01,0,1,train")
    assert fetch_kinetics("Kinetics-400", tmp_path, lists=lists).done == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_class": 0}, "per-class must be 1 or more, not 0"),
        ({"connections": 0}, "connections must be from 1 to 16, not 0"),
        ({"connections": 99}, "connections must be from 1 to 16, not 99"),
        ({"address": "http://127.0.0.1/video.mp4"}, "needs {id} in the place of a video's name"),
        ({"classes": []}, "no class is named"),
    ],
)
def test_settings_that_make_no_sense(
    clip_site: Any, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    lists = _list(tmp_path, "yoga,goodvideo01,0,1,train")
    with pytest.raises(UsageError) as caught:
        _fetch(clip_site, tmp_path, lists, **settings)
    assert message in str(caught.value)
    assert clip_site.log == []


def test_other_data_sets_are_not_fetched_as_clips(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ucf101 does not consist of clips"):
        fetch_kinetics("ucf101", tmp_path, lists=_list(tmp_path, "yoga,goodvideo01,0,1,train"))


def test_a_small_disk_is_said_before_anything_is_fetched(
    clip_site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 400_000})()
    monkeypatch.setattr(kinetics.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(KinemaError, match=r"1 clip need about 0.0 GB and 0.0 GB are free; choose fewer"):
        _fetch(clip_site, tmp_path, _list(tmp_path, "yoga,goodvideo01,0,1,train"))
    assert clip_site.log == []


def test_without_the_download_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "kinema.data.fetch.youtube", raising=False)
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(UsageError, match=r"needs the download extra; pip install 'kinema\[download\]'"):
        fetch_kinetics("kinetics400", tmp_path, lists=_list(tmp_path, "yoga,goodvideo01,0,1,train"))

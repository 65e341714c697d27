"""The clips behind a number: a page of them, one with what was said at every frame, and their videos.

A request names a run by its key and a clip by its row; the file is the one that the run's own manifest names there, and only
if the run could read it as a video. Tables are read and videos opened in threads of their own: pages share one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kinema.web.base.files import send_file
from kinema.web.datasets import catalogue as datasets
from kinema.web.folder import site
from kinema.web.runs import figures
from kinema.web.runs.catalogue import Listed, run_of
from kinema.web.runs.curves import timeline
from kinema.web.runs.evidence import Clip, Evidence, evidence
from kinema.web.runs.excerpts import filmstrip_of, playable_copy, played_kind, rate_of

_PAGE = 24


@require_safe
async def clips(request: HttpRequest, key: str) -> HttpResponse:
    """Clips of a split: of one class taken for another (`?true=…&predicted=…`), or all mistakes (`?only=wrong`)."""
    run, report, found = await sync_to_async(_read, thread_sensitive=False)(key)
    splits, classes = figures.splits_of(report), report["classes"]
    split = request.GET.get("split", "")
    split = split if split in splits else report["headline"]["split"]
    label, prediction = (_one_of(classes, request.GET.get(name)) for name in ("true", "predicted"))
    wrong = request.GET.get("only") == "wrong"
    chosen = [clip for clip in found.of(split, label, prediction) if not (wrong and clip.right)]
    expected = None if wrong else figures.counted(report, split, label, prediction)
    return await sync_to_async(render)(
        request,
        "runs/clips.html",
        {
            "run": run,
            "split": split,
            "splits": splits,
            "classes": classes,
            "label": label,
            "prediction": prediction,
            "wrong": wrong,
            "page": Paginator(chosen, _PAGE).get_page(request.GET.get("page")),
            "problem": found.problem,
            "expected": expected if expected != len(chosen) and found.clips else None,
            "exact": found.exact,
        },
    )


@require_safe
async def clip(request: HttpRequest, key: str, row: int) -> HttpResponse:
    """One clip: its video and what was said at every frame."""
    run, report, found = await sync_to_async(_read, thread_sensitive=False)(key)
    one = _clip(run, found, row)
    path, rate = await sync_to_async(_video_and_rate, thread_sensitive=False)(run, one)
    shown = None
    if len(one.probabilities):
        seconds = [float(frame) / rate for frame in one.frames] if rate else None
        shown = timeline(one.probabilities, report["classes"], one.label, seconds)
    same = found.of(one.split, one.label, one.prediction)
    at = next((i for i, other in enumerate(same) if other.row == row), 0)
    return await sync_to_async(render)(
        request,
        "runs/clip.html",
        {
            "run": run,
            "clip": one,
            "there": path is not None,
            "kind": played_kind(path) if path is not None else None,
            "timeline": shown,
            "before": same[at - 1] if at else None,
            "after": same[at + 1] if at + 1 < len(same) else None,
            "place": at + 1,
            "count": len(same),
        },
    )


@require_safe
async def video(request: HttpRequest, key: str, row: int) -> Any:
    """The file of a clip as it is, with ranges."""
    path = await sync_to_async(_playable, thread_sensitive=False)(key, row)
    return await send_file(request, path, kind=played_kind(path))


@require_safe
async def excerpt(request: HttpRequest, key: str, row: int) -> Any:
    """The clip alone as an mp4 that every browser plays, made when it is first asked for."""
    path = await sync_to_async(_made, thread_sensitive=False)(key, row, playable_copy)
    return await send_file(request, path, kind="video/mp4")


@require_safe
async def strip(request: HttpRequest, key: str, row: int) -> Any:
    """The clip as a row of small pictures."""
    path = await sync_to_async(_made, thread_sensitive=False)(key, row, filmstrip_of)
    return await send_file(request, path, kind="image/jpeg")


def _read(key: str) -> tuple[Listed, dict[str, Any], Evidence]:
    """Return a run, its report and its clips."""
    run = run_of(key)
    report = run.report()
    window = run.record.settings.get("clip.frames")
    samples = window if isinstance(window, int) else 1
    return run, report, evidence(run.folder, report["classes"], samples, run.record.folds is not None)


def _clip(run: Listed, found: Evidence, row: int) -> Clip:
    one = found.clip(row)
    if one is None:
        raise Http404(f"{run.name}: no clip {row}")
    return one


def _shown(run: Listed, clip: Clip) -> Path | None:
    """Return the video of a clip where it is there and the site may show it, else None.

    What the owner of the machine trained on, whose runs `serve` was given, may be seen. A run that was begun on the site may have
    been given any manifest: of that, what lies in the folders of data and of the site (`datasets.catalogue`).
    """
    if run.folder.resolve().is_relative_to(site().root.resolve()):
        entry = datasets.Entry(run.key, run.name, run.folder / "data.csv")
        if datasets.shown_video(entry, clip.segment) is None:
            return None
    return clip.segment.video if clip.segment.video.exists() else None


def _video_and_rate(run: Listed, clip: Clip) -> tuple[Path | None, float | None]:
    path = _shown(run, clip)
    counted = path is not None and len(clip.frames) and clip.numbered
    return path, rate_of(clip.segment) if counted else None


def _playable(key: str, row: int) -> Path:
    run, _, found = _read(key)
    path = _shown(run, _clip(run, found, row))
    if path is None or played_kind(path) is None:
        raise Http404("this video is not there, or may not be shown")
    return path


def _made(key: str, row: int, make: Any) -> Path:
    run, _, found = _read(key)
    one = _clip(run, found, row)
    path: Path | None = make(run.key, one.segment) if _shown(run, one) is not None else None
    if path is None:
        raise Http404("no pictures can be made of this video")
    return path


def _one_of(classes: list[str], word: str | None) -> str | None:
    if not word:
        return None
    if word not in classes:
        raise Http404(f"no class {word!r}")
    return word

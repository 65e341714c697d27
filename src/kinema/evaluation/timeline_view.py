"""A timeline made small enough to be looked at: rows thinned by their peaks, lanes to draw, chapters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.evaluation.segments import LabelledStretch
from kinema.evaluation.subtitles import web_vtt
from kinema.files import write_json, write_text

_NUMBERS = 240_000
"""Probabilities in a view, about two megabytes of JSON: an hour of ten classes at six rows a second stays whole."""
_FEWEST, _MOST = 400, 20_000
_COLOURS = 8


def thin(
    times: NDArray[np.float64], probabilities: NDArray[np.floating[Any]], most: int
) -> tuple[NDArray[np.float64], NDArray[np.floating[Any]]]:
    """Return at most `most` rows: the first time of each bunch of neighbours, and the peak of each class in it.

    >>> times, rows = thin(np.arange(5.0), np.array([[0.1], [0.9], [0.2], [0.3], [0.4]]), most=3)
    >>> times.tolist(), rows.tolist()
    ([0.0, 2.0, 4.0], [[0.9], [0.3], [0.4]])
    """
    count = len(times)
    if count <= most:
        return times, probabilities
    step = -(-count // most)
    starts = np.arange(0, count, step)
    return times[starts], np.maximum.reduceat(probabilities, starts, axis=0)


def view(
    classes: Sequence[str],
    times: NDArray[np.float64],
    probabilities: NDArray[np.floating[Any]],
    seconds: float,
    **about: Any,
) -> dict[str, Any]:
    """Return a timeline for a page, ready for JSON: `classes`, `seconds`, `times`, `probabilities` `(n, K)`, `about`, the
    `lanes` to draw, and of labels that have a colour of their own its number in `places`: that of the class where there are at
    most eight, as in the live view.
    """
    most = min(_MOST, max(_FEWEST, _NUMBERS // max(1, len(classes))))
    times, rows = thin(np.asarray(times), np.asarray(probabilities), most)
    found = {
        "classes": list(classes),
        "seconds": round(float(seconds), 6),
        **about,
        "times": [round(float(time), 3) for time in times],
        "probabilities": [[round(float(value), 4) for value in row] for row in rows],
    }
    drawn = lanes(found)
    coloured = classes if len(classes) <= _COLOURS else [lane["label"] for lane in drawn]
    places = {label: number for number, label in enumerate(coloured)}
    return {**found, "lanes": drawn, "places": places}


def write_view(prediction: Path, out: Path, chapters: Path) -> None:
    """Write what a player needs of a prediction's `NAME.json`: its view, and its segments as chapters (WebVTT)."""
    written = json.loads(prediction.read_text(encoding="utf-8"))
    rows = written["timeline"]
    times = np.array([row["time"] for row in rows])
    probabilities = np.array([row["probabilities"] for row in rows]).reshape(
        len(rows), len(written["classes"])
    )
    segments, events = written["segments"], written.get("events", [])
    ends = [float(segment["end"]) for segment in segments]
    found = view(
        written["classes"],
        times,
        probabilities,
        max([*ends, float(written["seconds"])]),
        label=written["label"],
        confidence=written["confidence"],
        video_probabilities=written["probabilities"],
        segments=segments,
        events=events,
        error=written["error"],
    )
    write_json(out, found)
    write_text(chapters, web_vtt([LabelledStretch(**segment) for segment in segments], shares=False))


def lanes(found: dict[str, Any], *, most: int = 6, points: int = 600) -> list[dict[str, Any]]:
    """Return what a page draws of a view: a lane for each of the classes that were the most probable ones most often.

    `path` is the outline of its probability as an SVG path in a box of 1000 x 100, `peak` and `peak_time` (seconds) its
    highest value, `share` of the rows in which it is the most probable class. They come in the order of the classes.
    A view with `until` ends there.
    """
    if not found["times"]:
        return []
    times = np.array(found["times"], np.float64)
    rows = np.array(found["probabilities"], np.float64)
    best = rows.argmax(axis=1)
    shares = np.bincount(best, minlength=rows.shape[1]) / len(best)
    peaks = rows.max(axis=0)
    order = np.sort(np.lexsort((-peaks, -shares))[:most])
    seconds = max(float(found["seconds"]), 1e-9)
    end = float(found.get("until", seconds))
    small_times, small = thin(times, rows, points)
    return [
        {
            "label": found["classes"][k],
            "peak": float(peaks[k]),
            "peak_time": float(times[int(rows[:, k].argmax())]),
            "share": float(shares[k]),
            "path": _path(small_times, small[:, k], end, seconds),
        }
        for k in order.tolist()
    ]


def _path(times: NDArray[np.float64], values: NDArray[np.floating[Any]], end: float, seconds: float) -> str:
    """A row holds until the next one, the last to `end`: steps."""
    edges = np.append(times, max(end, times[-1])) / seconds * 1000
    parts = [f"M{edges[0]:.1f} 100"]
    for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
        y = 100 - 100 * float(value)
        parts.append(f"L{left:.1f} {y:.1f}L{right:.1f} {y:.1f}")
    return "".join([*parts, f"L{edges[-1]:.1f} 100Z"])

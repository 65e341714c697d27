"""leaks.html: one file that shows near-duplicate clips side by side and needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.likeness.report import LikenessReport, NearDuplicate
from kinema.data.manifest import Manifest, Segment
from kinema.data.pages import page_template
from kinema.data.segments import named, open_segment
from kinema.data.wording import count
from kinema.errors import KinemaError
from kinema.files import write_text
from kinema.video.jpeg import jpeg_uri

_PICTURES = 6
_HEIGHT = 96  # pixels
_QUALITY = 78
_MOST_PAIRS = 100  # some 40 kB of pictures each
_MOST_PLACES = 20
_OF_A_PLACE = 6


def write_leak_page(
    path: str | Path, report: LikenessReport, manifest: Manifest | None = None, *, most: int = _MOST_PAIRS
) -> Path:
    """Write the near-duplicates as pictures, worst first, and return the path.

    Each pair shows six moments of what it has in common, one clip above the other. Of more than `most` pairs
    the rest are listed without pictures. `manifest`: the same rows with other splits than when they were
    compared. Videos that cannot be read any more say so in place of their pictures.
    """
    table = (manifest or report.manifest).table
    splits = table["split"].tolist()
    shown = [_row(pair, splits) for pair in report.pairs[:most]]
    page = page_template("leaks.html.j2").render(
        clips=count(len(table), "clip"),
        leaks=len(report.leaks(manifest)),
        pairs=shown,
        number=len(report.pairs),
        between=report.between,
        rest=[str(pair) for pair in report.pairs[most:]],
        places=_places(report, splits),
        more_places=max(0, len(report.places) - _MOST_PLACES),
        problems=report.problems,
    )  # fmt: skip
    write_text(path, page)
    return Path(path)


def _row(pair: NearDuplicate, splits: list[str | None]) -> dict[str, Any]:
    ends = [
        _end(pair.first, splits, pair.first_start, pair.seconds),
        _end(pair.second, splits, pair.second_start, pair.seconds),
    ]
    return {
        "leak": None not in (ends[0]["split"], ends[1]["split"]) and ends[0]["split"] != ends[1]["split"],
        "likeness": pair.likeness,
        "seconds": pair.seconds,
        "mirrored": pair.mirrored,
        "still": pair.still,
        "ends": ends,
    }


def _end(segment: Segment, splits: list[str | None], start: float, seconds: float) -> dict[str, Any]:
    picture, problem = "", ""
    try:
        picture = jpeg_uri(_strip(segment, start, seconds), _QUALITY)
    except (KinemaError, OSError, ValueError) as error:
        problem = str(error)
    return {
        "name": named(segment),
        "split": splits[segment.row],
        "label": segment.label,
        "group": segment.group,
        "start": start,
        "picture": picture,
        "problem": problem,
    }


def _places(report: LikenessReport, splits: list[str | None]) -> list[dict[str, Any]]:
    segments = report.manifest.segments()
    found = []
    for rows in report.places[:_MOST_PLACES]:
        clips = [_end(segments[row], splits, segments[row].start or 0.0, 0.0) for row in rows[:_OF_A_PLACE]]
        names = {splits[row] for row in rows}
        found.append(
            {
                "number": len(rows),
                "splits": sorted(name for name in names if name is not None),
                "clips": clips,
                "more": len(rows) - len(clips),
            }
        )
    return found


def _strip(segment: Segment, start: float, seconds: float) -> NDArray[np.uint8]:
    """Return RGB `(96, W, 3)`: six pictures side by side, evenly spread; one where `seconds` is 0."""
    with open_segment(segment) as source:
        width = max(2, round(_HEIGHT * source.size[0] / max(1, source.size[1])))
        pictures = list(_pictures(source, start, seconds, (width, _HEIGHT)))
    if not pictures:
        raise ValueError(f"{segment.video}: no frame at {start:.2f} s")
    return np.concatenate(pictures, axis=1)


def _pictures(
    source: Any, start: float, seconds: float, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    step = seconds / _PICTURES
    frames = source.frames(start=start + step / 2, fps=1 / step if step else 25.0, size=size)
    for _, frame in zip(range(_PICTURES if step else 1), frames, strict=False):
        yield frame.image

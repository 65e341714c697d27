"""report.html: one file that needs nothing else, and the pictures of a run folder."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kinema.errors import KinemaError
from kinema.evaluation import figures
from kinema.evaluation.events.figures import event_pictures
from kinema.evaluation.summary import ReportData, summarise
from kinema.files import atomic_path, write_text

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(run_folder: Path, report: ReportData, summary: dict[str, Any] | None = None) -> Path:
    """Write `report.html` into the run folder, and return its path.

    summary: what `summarise(report)` returned, where the caller has it already (for results.json). Every
    number on the page comes from it. Pictures are inside the file; it uses no script and no network.
    """
    summary = summarise(report) if summary is None else summary
    page = (
        page_environment()
        .get_template("report.html.j2")
        .render(
            title=Path(run_folder).resolve().name,
            s=summary,
            main=summary["headline"],
            split=summary["headline"]["split"],
            pictures=_pictures(summary),
            classes=_class_rows(summary["headline"]),
            mistakes=_strips(summary["mistakes"], Path(report.root)),
            params=_flat(summary["params"]),
            provenance=_flat(summary["provenance"]),
        )
    )
    path = Path(run_folder) / "report.html"
    write_text(path, page)
    return path


def page_environment() -> jinja2.Environment:
    """Return what fills the templates of pages, with the filters for numbers."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pct=_percent, span=_span, signed=_signed, number=_number, seconds=_seconds)
    return environment


def write_pictures(run_folder: Path, summary: dict[str, Any]) -> list[Path]:
    """Write the pictures and tables of the headline split as files, and return their paths.

    `confusion_matrix.png`, `.csv`, `confusion_matrix_normalised.png`, `.csv` (rows the truth),
    `reliability.png`, `class_scores.png`, and `loss_curve.png` where there is a history.
    """
    folder, classes, main = Path(run_folder), summary["classes"], summary["headline"]
    written = []
    for name, key in (
        ("confusion_matrix", "confusion"),
        ("confusion_matrix_normalised", "confusion_normalised"),
    ):
        with atomic_path(folder / f"{name}.csv") as temporary:
            pd.DataFrame(main[key], index=pd.Index(classes, name="true"), columns=classes).to_csv(temporary)
        written.append(folder / f"{name}.csv")
    for name, figure in _figures(summary).items():
        if name in _FILES:
            figures.save_figure(figure, folder / _FILES[name])
            written.append(folder / _FILES[name])
    return written


_FILES = {
    "confusion": "confusion_matrix.png",
    "confusion_normalised": "confusion_matrix_normalised.png",
    "reliability_video": "reliability.png",
    "class_bars": "class_scores.png",
    "curves": "loss_curve.png",
}


def _figures(summary: dict[str, Any]) -> dict[str, Figure]:
    classes, main = summary["classes"], summary["headline"]
    split = main["split"]
    found = {
        "comparison": figures.accuracy_comparison(_comparison(summary)),
        "confusion": figures.confusion_figure(_matrix(main["confusion"]), classes, title=f"Counts, {split}"),
        "confusion_normalised": figures.confusion_figure(
            _matrix(main["confusion_normalised"]), classes, True, f"Share of each true class (%), {split}"
        ),
        "class_bars": figures.class_bars(pd.DataFrame(main["per_class"]), f"Per class, {split} (items)"),
    }
    for level, part in summary["calibration"].get(split, {}).items():
        title = f"{level.capitalize()} level, {split}"
        found[f"reliability_{level}"] = figures.reliability_figure(part["before"], part.get("after"), title)
    history = summary["history"]
    if history and history.get("epoch"):
        # JSON's None becomes NaN again.
        table = pd.DataFrame({name: pd.to_numeric(pd.Series(values)) for name, values in history.items()})
        found["curves"] = figures.training_curves(table, summary["best_epoch"])
    return found


def _pictures(summary: dict[str, Any]) -> dict[str, str]:
    found = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(figures.svg(figure)).decode()}"
        for name, figure in _figures(summary).items()
    }
    return {**found, **event_pictures(summary["events"])} if summary["events"] else found


def _comparison(summary: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    split = summary["headline"]["split"]
    rows = [(f"this model, {split}", summary["headline"]["top1"])]
    for name, by_split in summary["baselines"].items():
        if split in by_split:
            rows.append((f"{name}, {split}", by_split[split]["top1"]))
    for name, levels in summary["splits"].items():
        if name != split:
            rows.append((f"this model, {name}", levels["video"]["top1"]))
    return rows


def _class_rows(main: dict[str, Any]) -> list[dict[str, Any]]:
    """Per-class numbers with the class each is most often taken for."""
    names = [row["class"] for row in main["per_class"]]
    rows = []
    for i, row in enumerate(main["per_class"]):
        others = np.array(main["confusion"][i])
        others[i] = 0
        worst = int(others.argmax())
        taken = f"{names[worst]} ({others[worst]})" if others[worst] else ""
        rows.append({**row, "taken_for": taken})
    return rows


def _strips(mistakes: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    # Video libraries are only needed when there is a mistake to show.
    from kinema.video.filmstrip import filmstrip
    from kinema.video.jpeg import jpeg_uri

    found = []
    for item in mistakes:
        picture, problem = "", ""
        try:
            picture = jpeg_uri(filmstrip(root / item["video"], item["start"], item["end"]))
        except (KinemaError, OSError) as error:
            problem = str(error)
        found.append({**item, "picture": picture, "problem": problem})
    return found


def _matrix(rows: list[list[float | None]]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows.extend(_flat(value, f"{prefix}{name}."))
        else:
            text = ", ".join(map(_plain, value)) if isinstance(value, list) else _plain(value)
            rows.append((f"{prefix}{name}", text))
    return rows


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}\u202f%"


def _span(part: Mapping[str, Any]) -> str:
    return "" if part["low"] is None else f"{100 * part['low']:.1f}–{100 * part['high']:.1f}\u202f%"


def _signed(part: Mapping[str, Any]) -> str:
    text = f"{100 * part['value']:+.1f} points"
    return text if part["low"] is None else f"{text} ({100 * part['low']:+.1f} to {100 * part['high']:+.1f})"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"

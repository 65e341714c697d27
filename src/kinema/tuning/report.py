"""tune.html: the trials of a search on one page that needs nothing else."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

import kinema.evaluation
from kinema.evaluation.figures import svg
from kinema.files import write_text
from kinema.tuning.figures import history_figure, importance_figure, parallel_figure
from kinema.tuning.importance import importance, setting_names

_FOLDERS = [Path(__file__).parent / "templates", Path(kinema.evaluation.__file__).parent / "templates"]
_SHOWN = 40


def write_tune_report(folder: Path, table: pd.DataFrame, about: dict[str, Any]) -> Path:
    """Write `tune.html` into the folder of a search, and return its path.

    `table` is `study.trial_table`'s; `about` holds `folds`, `grid`, `seed`, `items` (segments that score a trial) and
    `tested` (a list of `trial, date, accuracy, folder`: the looks at test).
    """
    weights = importance(table)
    differing = setting_names(table)
    names = [n for n in weights.shares if n in differing] if weights else differing
    complete = table[table["state"] == "complete"]
    ranked = complete.sort_values(["accuracy", "loss", "trial"], ascending=[False, True, True])
    pictures = {"history": _uri(history_figure(table))} if len(table) else {}
    if weights:
        pictures["importance"] = _uri(importance_figure(weights.shares))
    if len(complete) > 1 and names:
        pictures["parallel"] = _uri(parallel_figure(table, names))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDERS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pct=_percent, plain=_plain)
    page = environment.get_template("tune.html.j2").render(
        title=folder.resolve().name,
        about=about,
        best=None if not len(ranked) else ranked.iloc[0].to_dict(),
        rows=[row.to_dict() for _, row in ranked.head(_SHOWN).iterrows()],
        names=names,
        counts=table["state"].value_counts().to_dict() if len(table) else {},
        total=len(table),
        minutes=float(table["seconds"].sum()) / 60 if len(table) else 0.0,
        fixed=_fixed(table, differing),
        failures=_failures(table),
        weights=weights,
        pictures=pictures,
        shown=min(_SHOWN, len(ranked)),
    )
    path = folder / "tune.html"
    write_text(path, page)
    return path


def _fixed(table: pd.DataFrame, differing: list[str]) -> list[tuple[str, str]]:
    known = {"trial", "state", "accuracy", "loss", "seconds", "parameters", "error", *differing}
    return [
        (str(n), _plain(table[n].dropna().iloc[0]))
        for n in table.columns
        if n not in known and table[n].notna().any()
    ]


def _failures(table: pd.DataFrame) -> list[tuple[str, int]]:
    if not len(table):
        return []
    return [
        (str(text), int(count)) for text, count in table["error"].dropna().value_counts().head(10).items()
    ]


def _uri(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode()}"


def _percent(value: Any) -> str:
    return "–" if value is None or pd.isna(value) else f"{100 * value:.1f}\u202f%"


def _plain(value: Any) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""The trials of a study as a table, the best of them, and what it was made with."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd


def trial_table(study: Any) -> pd.DataFrame:
    """Return one row a trial that ended: number, state, accuracy, loss, seconds, parameters, its settings, error.

    `state` is complete, pruned or failed; the accuracy of a pruned one is what was known when it was given up.
    """
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name not in states or not counts(trial):
            continue
        known = trial.user_attrs
        middle = list(trial.intermediate_values.values())
        rows.append(
            {
                "trial": trial.number,
                "state": states[trial.state.name],
                "accuracy": trial.value if trial.state.name == "COMPLETE" else (middle or [None])[-1],
                "loss": known.get("loss"),
                "seconds": known.get("seconds"),
                "parameters": known.get("parameters"),
                **json.loads(known.get("settings", "{}")),
                "error": known.get("error"),
            }
        )
    first = ["trial", "state", "accuracy", "loss", "seconds", "parameters"]
    table = pd.DataFrame(rows, columns=None if rows else [*first, "error"])
    for name in ("accuracy", "loss", "seconds", "parameters"):
        table[name] = pd.to_numeric(table[name])
    return table[[name for name in table.columns if name != "error"] + ["error"]]


def best_of(table: pd.DataFrame) -> pd.Series | None:
    """Return the row of the highest accuracy, of equals that of the lowest loss; None where no trial ended well."""
    complete = table[table["state"] == "complete"]
    if not len(complete):
        return None
    return complete.sort_values(["accuracy", "loss", "trial"], ascending=[False, True, True]).iloc[0]


def best_accuracy(study: Any) -> float | None:
    """Return the highest accuracy of the trials that ended well; None where none did."""
    ended = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    return max((float(t.value) for t in ended), default=None)


def settings_of(study: Any, number: int) -> dict[str, Any]:
    """Return the settings of a trial as they were drawn."""
    found: dict[str, Any] = json.loads(study.get_trials(deepcopy=False)[number].user_attrs["settings"])
    return found


def temperature_of(study: Any, number: int) -> float | None:
    """Return the temperature that fits what a trial held out; None in a study that did not note it."""
    found: float | None = study.get_trials(deepcopy=False)[number].user_attrs.get("temperature")
    return found


def counts(trial: Any) -> bool:
    """Whether a trial is one of those asked for: not one that waits, or was stopped from outside."""
    if trial.state.name == "FAIL":
        return "error" in trial.user_attrs
    return trial.state.name != "WAITING"

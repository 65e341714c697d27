"""The end of a search: the chosen settings learn from train and valid, and test is looked at, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinema.data import Manifest
from kinema.errors import DataError
from kinema.training import Listener, Refit, Run, resume, train
from kinema.training.run_state import RunState
from kinema.tuning.names import TrialSettings
from kinema.tuning.storage import once


def look_at_test(
    study: Any,
    storage: str,
    *,
    again: bool,
    job: Callable[[int], tuple[Run, dict[str, Any]]],
    wait: Callable[[], None],
) -> tuple[Run | None, str]:
    """Run `job` unless test was looked at before, or another process does so now; return its run, or a note that says why not.

    `job(number)` trains what is look `number` (from 1) and returns the run and what the study is to remember of it; a process
    that is killed meanwhile leaves the look to the next one that asks. `wait` is called where that takes a while. `again`
    allows a further look.
    """
    before = study.user_attrs.get("tested", [])
    if before and not again:
        return (
            None,
            f"test was looked at on {before[-1]['date']} for trial {before[-1]['trial']}, and is not again",
        )

    def look() -> Run:
        run, entry = job(len(before) + 1)
        entry = {**entry, "date": datetime.now(UTC).isoformat(timespec="seconds"), "accuracy": run.accuracy}
        study.set_user_attr("tested", [*before, entry])
        return run

    found = once(study, f"look {len(before) + 1} at test", storage, look, wait)
    if found is None:
        return None, "another process trains the chosen settings; its folder will hold the run"
    return found, ""


def retrain(
    manifest: Manifest,
    values: dict[str, Any],
    folder: Path,
    refit: Refit,
    *,
    seed: int,
    device: str = "auto",
    listener: Listener | None = None,
) -> Run:
    """Train with the chosen settings on train and valid, and write the run with the report of its test split.

    `manifest` has all three splits. A run of the same settings that was killed in this folder goes on.
    """
    settings = TrialSettings.of(values)
    state = RunState(folder)
    if state.exists:
        if _is_of(state, refit):
            return resume(folder, listener=listener)
        state.end()  # other settings were better when a call was stopped while it trained them
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    return train(
        manifest,
        model=settings.model,
        run=str(folder),
        clip=settings.clip,
        settings={"seed": seed, **settings.training},
        device=device,
        refit=refit,
        listener=listener,
        **settings.model_settings,
    )


def _is_of(state: RunState, refit: Refit) -> bool:
    try:
        return state.plan().refit == refit
    except DataError:  # damaged, or of data that has changed since
        return False

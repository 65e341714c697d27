"""What a fit has done so far, and the file from which a killed one goes on."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from kinema.errors import DataError
from kinema.files import atomic_path

HISTORY = ["epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "learning_rate"]
_FORMAT = 1


@dataclass
class Done:
    """Epochs done, the best weights among them, and how far the epoch at hand is.

    - `rows`: of the history, one an epoch, `HISTORY` and the round. `stops`: epochs of each round that ended.
    - `round` and `epoch` count from 0; `step`: steps done of the epoch at hand, with `sums` `(2, 3)` of loss, right and clips.
    - `best`: the weights of `best_epoch` (from 1) that can change; `stale`: epochs since the round's best one.
    """

    rows: list[list[float]] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    round: int = 0
    epoch: int = 0
    step: int = 0
    sums: list[list[float]] = field(default_factory=lambda: [[0.0] * 3, [0.0] * 3])
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_round: int = 0
    best_loss: float = math.inf
    round_loss: float = math.inf
    stale: int = 0
    parts: int = 1
    seconds: float = 0.0
    finished: bool = False
    problem: str | None = None

    def take(self, row: dict[str, float], weights: dict[str, Tensor], *, known: bool) -> None:
        """Take the numbers and the weights of an epoch that ended; the lowest valid loss of all rounds is the best.

        Where no valid loss is `known` the last epoch is.
        """
        self.rows.append([row[name] for name in HISTORY] + [self.round + 1])
        loss = row["valid_loss"]
        self.stale += 1
        if not known or loss < self.round_loss:
            self.round_loss, self.stale = loss, 0
        if not known or loss < self.best_loss:
            self.best_loss, self.best_epoch, self.best_round = loss, len(self.rows), self.round + 1
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}
        self.epoch, self.step = self.epoch + 1, 0
        self.sums = [[0.0] * 3, [0.0] * 3]

    def next_round(self) -> None:
        """Begin the next round."""
        self.stops.append(self.epoch)
        self.round, self.epoch, self.step, self.stale = self.round + 1, 0, 0, 0
        self.round_loss = math.inf

    def history(self, rounds: int) -> pd.DataFrame:
        """Return a row an epoch; which round it belonged to is a column where there are several."""
        table = pd.DataFrame(self.rows, columns=[*HISTORY, "round"]).astype({"epoch": int, "round": int})
        return table if rounds > 1 else table[HISTORY]


def changing_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's tensors by name; those of a frozen backbone never change and are left out."""
    still = bool(getattr(getattr(model, "backbone", None), "frozen", False))
    return {n: value for n, value in model.state_dict().items() if not (still and n.startswith("backbone."))}


def save_checkpoint(path: Path, done: Done, **states: Any) -> None:
    """Write what is needed to go on, whole or not at all: tensors, numbers and texts, no pickled objects.

    `states` are state dicts, such as those of the model and the optimiser; the states of all random generators are added.
    """
    # To a file of Python's, which says why a disk refuses; torch's own does not.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": _FORMAT, "done": dict(vars(done)), "random": random_states(), **states}, file)


def load_checkpoint(path: Path) -> tuple[Done, dict[str, Any]] | None:
    """Return what `save_checkpoint` wrote, None where there is no file. Raises `DataError` for a damaged one."""
    if not path.exists():
        return None
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        if stored.pop("format") != _FORMAT:
            raise ValueError("written by another version of kinema")
        return Done(**stored.pop("done")), stored
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise DataError(f"{path}: cannot be read ({reason}); delete the run and train again") from error


def restore_random(states: dict[str, Any]) -> None:
    """Set all random generators to the states that a checkpoint holds."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))


def random_states() -> dict[str, Any]:
    """Return the states of all random generators, as tensors, numbers and texts."""
    name, keys, *rest = np.random.get_state(legacy=True)
    version, numbers, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": [version, list(numbers), gauss],
    }

"""The settings of a training run: every one of them saved, every unknown one refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from kinema.errors import UsageError, closest

ClassWeights = Literal["balanced", "none"]
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")  # lightning's names


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fitted.

    - `epochs`: at most; `patience`: epochs without a better valid loss before stopping (0: never stop early).
    - `batch_size`: clips; `windows`: clips drawn from each segment an epoch.
    - `learning_rate`: highest, reached after `warmup` (a share of all steps), then down along a cosine; `weight_decay`: AdamW's.
    - `label_smoothing`: 0..1; `class_weights`: `balanced` weighs rare classes up, `none` does not.
    - `flip`: also learn from mirrored pictures; switch it off where left and right are different classes.
    - `mixup`: Beta parameter, 0 switches it off
      (Zhang et al., mixup, ICLR 2018).
    - `precision`: `auto` is bf16 on a GPU and float32 on a CPU, or one of `PRECISIONS`.
    - `workers`: decoding processes or threads where pixels are read while training; 0 is the number of cores.

    Raises `UsageError` for a value that cannot be.
    """

    epochs: int = 20
    patience: int = 0
    batch_size: int = 128
    windows: int = 8
    learning_rate: float = 2e-3
    backbone_learning_rate: float = 1e-4
    weight_decay: float = 5e-2
    warmup: float = 0.1
    label_smoothing: float = 0.1
    class_weights: ClassWeights = "balanced"
    flip: bool = True
    mixup: float = 0.0
    precision: str = "auto"
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool):
                fits, what = isinstance(value, bool), "true or false"
            elif isinstance(field.default, int):
                lowest = int(field.name in ("epochs", "batch_size", "windows"))
                fits = isinstance(value, int) and not isinstance(value, bool) and value >= lowest
                what = f"a whole number of at least {lowest}"
            elif isinstance(field.default, float):
                fits = (
                    isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
                )
                what = "a number of at least 0"
            else:
                known = get_args(ClassWeights) if field.name == "class_weights" else PRECISIONS
                fits, what = value in known, " or ".join(known)
            if not fits:
                raise UsageError(f"setting {field.name}={value!r}: give {what}")
        if not self.learning_rate > 0 or not self.backbone_learning_rate > 0:
            raise UsageError("settings learning_rate and backbone_learning_rate: give numbers above 0")
        if not 0 <= self.label_smoothing < 1 or not 0 <= self.warmup < 1:
            raise UsageError("settings label_smoothing and warmup: give shares from 0 to below 1")

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> TrainSettings:
        """Return settings of a dict; an unknown one raises `UsageError` with the nearest known name."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise UsageError(f"unknown training setting '{name}': {closest(name, known)}")
        return cls(**settings)

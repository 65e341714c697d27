"""The settings of a training run: every one of them saved, every unknown one refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from kinema.errors import UsageError, closest

ClassWeights = Literal["balanced", "none"]
Stage = int | Literal["head", "all"]
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")  # lightning's names

# Settings that change how pixels are trained: without a trained backbone they would do nothing.
PIXELS_ONLY = (
    "layer_decay", "cutmix", "rand_augment", "checkpoint_activations", "channels_last", "compile",
)  # fmt: skip
_AT_LEAST_ONE = ("epochs", "batch_size", "windows", "accumulate")


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fitted.

    - `epochs`: at most, in each round; `patience`: epochs without a better valid loss before a round stops (0: never early).
    - `batch_size`: clips a step; `accumulate`: parts in which a step's clips go through the network, one after the other,
      with the same gradient; `windows`: clips drawn from each segment an epoch.
    - `learning_rate`: highest, reached after `warmup` (a share of a round's steps), then down along a cosine;
      `backbone_learning_rate`: that of the backbone, where it is trained; `layer_decay`: what each block below the
      backbone's last one has it multiplied with once more (Clark et al., ELECTRA, ICLR 2020); `weight_decay`: AdamW's.
    - `stages`: rounds of training one after the other: `head`, a number (the head and the backbone's last N blocks) or `all`,
      such as `head,2,all`; empty is one round of everything. Each starts from the best weights so far; its learning rates
      are those of the round before times `stage_rate`.
    - `label_smoothing`: 0..1; `class_weights`: `balanced` weighs rare classes up, `none` does not.
    - `ema`: decay of a running mean of the weights, which is then what is measured and kept; 0 switches it off.
    - `flip`: also learn from mirrored pictures; switch it off where left and right are different classes.
    - `mixup`, `cutmix`: Beta parameters, 0 switches off (Zhang et al., mixup, ICLR 2018; Yun et al., CutMix, ICCV 2019; the
      box is the same in all pictures of a clip). With both, each step takes one of them.
    - `rand_augment`: operations a clip, the same for all of its pictures, of strength `rand_magnitude`, 0..30
      (Cubuk et al., RandAugment, arXiv 1909.13719).
    - `precision`: `auto` is bf16 on a GPU and float32 on a CPU, or one of `PRECISIONS`; `checkpoint_activations` computes the
      backbone's activations twice and keeps them never; `channels_last` stores its weights so; `compile` compiles it.
    - `memory_limit`: GB that the training may take, 0: what the machine (or its container, or the GPU) has. A step that
      needs more is computed in more parts.
    - `checkpoint_minutes`: minutes after which a long epoch is saved on the way; each epoch's end always is.
    - `workers`: decoding threads where pixels are read while training; 0 is the number of cores.

    Raises `UsageError` for a value that cannot be.
    """

    epochs: int = 20
    patience: int = 0
    batch_size: int = 128
    accumulate: int = 1
    windows: int = 8
    learning_rate: float = 2e-3
    backbone_learning_rate: float = 1e-4
    layer_decay: float = 1.0
    weight_decay: float = 5e-2
    warmup: float = 0.1
    stages: str = ""
    stage_rate: float = 0.1
    label_smoothing: float = 0.1
    class_weights: ClassWeights = "balanced"
    ema: float = 0.0
    flip: bool = True
    mixup: float = 0.0
    cutmix: float = 0.0
    rand_augment: int = 0
    rand_magnitude: float = 9.0
    precision: str = "auto"
    checkpoint_activations: bool = False
    channels_last: bool = False
    compile: bool = False
    memory_limit: float = 0.0
    checkpoint_minutes: float = 5.0
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool):
                fits, what = isinstance(value, bool), "true or false"
            elif isinstance(field.default, int):
                lowest = int(field.name in _AT_LEAST_ONE)
                fits = isinstance(value, int) and not isinstance(value, bool) and value >= lowest
                what = f"a whole number of at least {lowest}"
            elif isinstance(field.default, float):
                fits = (
                    isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
                )
                what = "a number of at least 0"
            elif field.name == "stages":
                # A list, as JSON writes it, is kept as the text it stands for; so is a lone number.
                object.__setattr__(self, "stages", _stages_text(value))
                continue
            else:
                known = get_args(ClassWeights) if field.name == "class_weights" else PRECISIONS
                fits, what = value in known, " or ".join(known)
            if not fits:
                raise UsageError(f"setting {field.name}={value!r}: give {what}")
        self._check_ranges()

    def _check_ranges(self) -> None:
        for name in ("learning_rate", "backbone_learning_rate"):
            if not getattr(self, name) > 0:
                raise UsageError("settings learning_rate and backbone_learning_rate: give numbers above 0")
        if not 0 <= self.label_smoothing < 1 or not 0 <= self.warmup < 1:
            raise UsageError("settings label_smoothing and warmup: give shares from 0 to below 1")
        if not 0 <= self.ema < 1:
            raise UsageError(f"setting ema={self.ema!r}: give a decay from 0 to below 1, such as 0.999")
        for name in ("layer_decay", "stage_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"setting {name}={getattr(self, name)!r}: give a factor above 0 and up to 1")
        if self.rand_magnitude > 30:
            raise UsageError(f"setting rand_magnitude={self.rand_magnitude!r}: give a strength from 0 to 30")
        if self.accumulate > self.batch_size:
            raise UsageError(
                f"setting accumulate={self.accumulate}: a step has {self.batch_size} clips (batch_size) to divide"
            )

    @property
    def rounds(self) -> list[Stage]:
        """What each round trains; one round of everything unless `stages` says otherwise."""
        return _stages(self.stages) or ["all"]

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

    def refuse_without_pixels(self) -> None:
        """Raise `UsageError` for a setting that only a trained backbone could follow."""
        default = TrainSettings()
        for name in PIXELS_ONLY:
            if getattr(self, name) != getattr(default, name):
                raise UsageError(
                    f"setting {name}={getattr(self, name)!r}: the backbone is frozen and only the head is trained, "
                    "on stored features; leave it out, or set freeze=false"
                )
        for stage in self.rounds if self.stages else []:
            if stage != "head":
                raise UsageError(
                    f"setting stages={self.stages!r}: the backbone is frozen, so that only 'head' can be trained; "
                    "set freeze=false"
                )


@dataclass(frozen=True)
class Refit:
    """A last training whose settings were chosen before, on valid: train and valid are learned from, to the last epoch.

    `chosen` says how, and the report repeats it. `temperature` was found on items that its model had not learned from; None
    leaves the probabilities as the network gives them.
    """

    chosen: str
    temperature: float | None = None

    @property
    def calibration(self) -> str:
        """Where the temperature comes from."""
        if self.temperature is None:
            return "No temperature was fitted: every item but those of test was learned from."
        if self.temperature == 1:
            return "Temperature kept at 1: every item that the search held out was answered right."
        return (
            f"Temperature {self.temperature:.3f}, found by log loss on the items that the search held out; this model has "
            "learned from those too, with the same settings."
        )


def on_features(settings: TrainSettings) -> TrainSettings:
    """Return settings without those that concern pixels: for a head on stored features, a baseline included."""
    default = TrainSettings()
    values = {name: getattr(default, name) for name in (*PIXELS_ONLY, "memory_limit")}
    rounds = settings.rounds if settings.stages else []
    heads = ",".join("head" for stage in rounds if stage == "head") if set(rounds) == {"head"} else ""
    return replace(settings, stages=heads, **values)


def _stages_text(value: Any) -> str:
    words = value if isinstance(value, (list, tuple)) else [value]
    text = ",".join(str(word) for word in words)
    _stages(text)
    return text.replace(" ", "")


def _stages(text: str) -> list[Stage]:
    found: list[Stage] = []
    for word in text.replace(" ", "").split(",") if text.strip() else []:
        if word == "head":
            found.append("head")
        elif word == "all":
            found.append("all")
        elif word.isdigit() and int(word) > 0:
            found.append(int(word))
        else:
            raise UsageError(
                f"setting stages={text!r}: give 'head', a number of blocks, or 'all', divided by commas, such as head,2,all"
            )
    return found

"""Fits a model: the loop is lightning's, the best weights are kept and used."""

from __future__ import annotations

import copy
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import kinema.torch_setup  # noqa: F401  (before lightning, which imports torchmetrics and torchvision)
from kinema.errors import KinemaError
from kinema.models import VideoModel
from kinema.training.batches import Batches
from kinema.training.settings import TrainSettings

HISTORY = ["epoch", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "learning_rate"]
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass
class FitResult:
    """`history` has one row an epoch (`HISTORY`); `best_epoch` is the one whose weights the model now has."""

    history: pd.DataFrame
    best_epoch: int
    interrupted: bool = False
    seconds: float = 0.0


def fit(
    model: VideoModel,
    train: Batches,
    valid: Batches | None,
    settings: TrainSettings,
    *,
    device: str = "auto",
    log_folder: Path | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Train `model` in place on batches `(inputs, targets)` and leave it with its best weights.

    The best epoch is that of the lowest valid loss; without `valid` it is the last one. Ctrl-C stops after the step at
    hand and keeps the best so far. TensorBoard events go to `log_folder`.

    Raises `KinemaError` when the loss is no longer a number.
    """
    import time

    from lightning.pytorch import Trainer, seed_everything
    from lightning.pytorch.loggers import TensorBoardLogger

    began = time.monotonic()
    with _quiet():
        seed_everything(settings.seed, verbose=False)
        module = _module(model, train, valid, settings, progress)
        module.train()  # lightning keeps the mode it finds, and a loaded model is in eval mode
        accelerator = "cpu" if device in ("cpu", "torch") else "auto"
        on_gpu = accelerator == "auto" and torch.cuda.is_available()
        logger = (
            TensorBoardLogger(str(log_folder.parent), name=log_folder.name, version="")
            if log_folder
            else False
        )
        trainer = Trainer(
            accelerator=accelerator,
            devices=1,
            max_epochs=settings.epochs,
            precision=_precision(settings.precision, on_gpu),  # type: ignore[arg-type]
            gradient_clip_val=1.0,
            logger=logger,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
        with _interrupts(trainer) as interrupted:
            try:
                trainer.fit(module, train, valid)
            except SystemExit as error:  # what lightning makes of a second Ctrl-C
                raise KeyboardInterrupt from error
    if not module.rows:
        raise KinemaError("training was stopped before its first epoch ended: nothing was learned")
    module.restore_best()
    model.to("cpu").eval()
    if module.best_epoch == 0 or not all(p.isfinite().all() for p in model.parameters()):
        raise KinemaError("the weights are no longer numbers after the last epoch: lower learning_rate")
    history = pd.DataFrame(module.rows, columns=HISTORY)
    return FitResult(history, module.best_epoch, interrupted.is_set(), time.monotonic() - began)


def _module(
    model: VideoModel,
    train: Batches,
    valid: Batches | None,
    settings: TrainSettings,
    progress: Progress | None,
) -> Any:
    from lightning.pytorch import LightningModule

    class Module(LightningModule):
        """One optimiser, cross-entropy, and a row of history an epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.rows: list[tuple[Any, ...]] = []
            self.best_epoch = 0
            self._best_loss = math.inf
            self._best_state: dict[str, Tensor] = {}
            self._sums = torch.zeros(2, 3)  # train and valid: loss, right, clips
            weights = train.class_weights() if settings.class_weights == "balanced" else None
            self._loss = nn.CrossEntropyLoss(weights, label_smoothing=settings.label_smoothing)
            self._stale = 0

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            inputs, targets = batch
            mixed, mixed_targets = _mix(inputs, targets, model.num_classes, settings.mixup)
            logits = train.logits(model, mixed)
            loss = self._loss(logits, mixed_targets)
            if not torch.isfinite(loss):
                raise KinemaError(
                    f"the loss is no longer a number in epoch {self.current_epoch + 1}: lower learning_rate"
                )
            self._count(0, loss, logits, targets)
            return loss

        def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
            inputs, targets = batch
            assert valid is not None
            logits = valid.logits(model, inputs)
            self._count(1, F.cross_entropy(logits, targets), logits, targets)

        def _count(self, part: int, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
            right = (logits.detach().argmax(1) == targets).sum()
            found = torch.tensor([float(loss.detach()) * len(targets), float(right), float(len(targets))])
            self._sums[part] += found

        def on_train_epoch_start(self) -> None:
            self._sums.zero_()
            train.set_epoch(self.current_epoch)

        def on_train_epoch_end(self) -> None:
            (train_loss, train_right, train_clips), (loss, right, clips) = self._sums.tolist()
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            known = clips > 0
            row = {
                "epoch": self.current_epoch + 1,
                "train_loss": train_loss / max(1.0, train_clips),
                "valid_loss": loss / clips if known else math.nan,
                "train_accuracy": train_right / max(1.0, train_clips),
                "valid_accuracy": right / clips if known else math.nan,
                "learning_rate": rate,
            }
            self.rows.append(tuple(row[name] for name in HISTORY))
            self.log_dict({key: value for key, value in row.items() if key != "epoch" and value == value})
            if not known or row["valid_loss"] < self._best_loss:
                self._best_loss, self._stale, self.best_epoch = row["valid_loss"], 0, self.current_epoch + 1
                if known:
                    self._keep()
            else:
                self._stale += 1
                if settings.patience and self._stale >= settings.patience:
                    self.trainer.should_stop = True
            if progress is not None:
                progress(self.current_epoch + 1, settings.epochs, row)

        def _keep(self) -> None:
            trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
            moving = {name for name, _ in model.named_buffers() if not _is_frozen(model, name)}
            state = model.state_dict()
            self._best_state = {key: copy.deepcopy(state[key]) for key in state if key in trained | moving}

        def restore_best(self) -> None:
            if self._best_state:
                model.load_state_dict(self._best_state, strict=False)

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(_parameter_groups(model, settings))
            total = max(1, len(train) * settings.epochs)
            warm = max(1, round(settings.warmup * total))

            def scale(step: int) -> float:
                if step < warm:
                    return (step + 1) / warm
                return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    return Module()


def _is_frozen(model: nn.Module, name: str) -> bool:
    module = model.get_submodule(name.rpartition(".")[0])
    return bool(
        getattr(model, "backbone", None) is not None and name.startswith("backbone.") and not module.training
    )


def _parameter_groups(model: VideoModel, settings: TrainSettings) -> list[dict[str, Any]]:
    """Biases and norms are not decayed; the backbone has a learning rate of its own."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise KinemaError("nothing to train: every parameter of the model is frozen")
    return [
        {
            "params": parameters,
            "lr": settings.backbone_learning_rate if backbone else settings.learning_rate,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (backbone, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _mix(inputs: Tensor, targets: Tensor, classes: int, alpha: float) -> tuple[Tensor, Tensor]:
    if alpha <= 0 or len(targets) < 2:
        return inputs, targets
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(targets), device=targets.device)
    one_hot = F.one_hot(targets, classes).to(inputs.dtype)
    return share * inputs + (1 - share) * inputs[order], share * one_hot + (1 - share) * one_hot[order]


def _precision(wanted: str, on_gpu: bool) -> str:
    return wanted if wanted != "auto" else ("bf16-mixed" if on_gpu else "32-true")


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice about workers and loggers is not for kinema's users."""
    import logging

    loggers = [
        logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interrupts(trainer: Any) -> Iterator[threading.Event]:
    """The first Ctrl-C ends the fit after its step and keeps what was learned; a second one raises."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def stop(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        trainer.should_stop = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)

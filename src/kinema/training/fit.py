"""Fits a model, in one round or several: the loop is lightning's, the best weights of all rounds are kept and used."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import kinema.torch_setup  # noqa: F401  (before lightning, which imports torchmetrics and torchvision)
from kinema.errors import UsageError
from kinema.models import VideoModel, torch_device
from kinema.training.batches import Batches
from kinema.training.distributed import AllStopError, Team
from kinema.training.measure import parts_for
from kinema.training.options import training_options
from kinema.training.outside import Outside, StartAt
from kinema.training.progress import Done, load_checkpoint, random_states, restore_random, save_checkpoint
from kinema.training.rounds import only
from kinema.training.settings import TrainSettings

Progress = Callable[[int, int, dict[str, float]], None]


@dataclass
class FitResult:
    """`history` has one row an epoch (`HISTORY`); `best_epoch` is the one whose weights the model now has.

    `rounds` holds the epochs of each round, `best_round` (from 1) that of the best epoch; `problem` says why the fit had to stop.
    """

    history: pd.DataFrame
    best_epoch: int
    interrupted: bool = False
    seconds: float = 0.0
    rounds: list[int] = field(default_factory=list)
    best_round: int = 1
    problem: str | None = None


def fit(
    model: VideoModel,
    train: Batches,
    valid: Batches | None,
    settings: TrainSettings,
    *,
    device: str = "auto",
    log_folder: Path | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    history: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    measure: bool = False,
    team: Team = Team(),
) -> FitResult:
    """Train `model` in place on batches `(inputs, targets)` and leave it with its best weights.

    The best epoch is that of the lowest valid loss in all rounds; without `valid` it is the last one. Ctrl-C stops after the
    step at hand and keeps the best so far, and so does a loss that is no longer a number. TensorBoard events go to `log_folder`.

    - `checkpoint`: a file in which the fit saves itself; where it is there already, the fit goes on from it.
    - `history`: a CSV that is written after each epoch. `say` hears one sentence when memory forces smaller parts.
    - `measure`: measure before the first epoch what a step takes in memory, and divide it where that is too much.
    - `team`: the processes that share each batch; all of them call this, with the same model, settings and data, and end
      with the same weights. `checkpoint` and `history` are the first one's.

    Raises `KinemaError` when the loss is no longer a number before one epoch has ended.
    """
    from lightning.pytorch import seed_everything

    from kinema.training.module import LossIsNoNumberError

    where = torch_device(device)
    on_gpu = where.type == "cuda"
    if settings.precision == "16-mixed" and not on_gpu:
        raise UsageError("setting precision='16-mixed': fp16 needs a GPU; take bf16-mixed on a CPU")
    done, states = _begin(checkpoint, settings, team)
    outside = Outside(checkpoint, history, progress, say, team)
    interrupted = False
    with _quiet(), _gpu_limit(settings.memory_limit if on_gpu else 0.0):
        seed_everything(team.own_seed(settings.seed, len(done.rows), done.step), verbose=False)
        if states:
            model.load_state_dict(states["model"], strict=False)
        while not done.finished and not interrupted:
            try:
                interrupted = _round(
                    model,
                    train,
                    valid,
                    settings,
                    done,
                    states,
                    where,
                    log_folder,
                    outside,
                    measure,
                )
            except LossIsNoNumberError as error:
                if not done.rows:
                    raise
                done.problem = f"{error}; the weights of epoch {done.best_epoch} are kept"
                say(done.problem)
            states = {}
            done.next_round()
            done.finished = done.round >= len(settings.rounds) or done.problem is not None
            if done.best and not interrupted:
                model.load_state_dict(done.best, strict=False)
    if not done.rows:
        raise AllStopError("training was stopped before its first epoch ended: nothing was learned")
    model.load_state_dict(done.best, strict=False)
    model.to("cpu").eval()
    if done.best_epoch == 0 or not all(p.isfinite().all() for p in model.parameters()):
        raise AllStopError("the weights are no longer numbers after the last epoch: lower learning_rate")
    if checkpoint is not None and not interrupted:
        save_checkpoint(checkpoint, done)
    return FitResult(
        done.history(len(settings.rounds)), done.best_epoch, interrupted, done.seconds, done.stops, done.best_round,
        done.problem,
    )  # fmt: skip


def _begin(checkpoint: Path | None, settings: TrainSettings, team: Team) -> tuple[Done, dict[str, Any]]:
    stored = team.told(load_checkpoint(checkpoint) if checkpoint is not None else None)
    if stored is None:
        return Done(parts=settings.accumulate), {}
    done, states = stored
    others = states.pop("random_of_others", [])
    if not team.leads:  # as many processes as before go on with what each of them would have drawn
        states["random"] = others[team.rank - 1] if len(others) == team.size - 1 else random_states()
    return done, {} if done.finished else states


def _round(
    model: VideoModel,
    train: Batches,
    valid: Batches | None,
    settings: TrainSettings,
    done: Done,
    states: dict[str, Any],
    where: torch.device,
    log_folder: Path | None,
    outside: Outside,
    measure: bool,
) -> bool:
    """Train the round at hand to its end; return whether Ctrl-C stopped it."""
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import TensorBoardLogger

    from kinema.training.module import Round

    if done.epoch >= settings.epochs or (settings.patience and done.stale >= settings.patience):
        if states:  # killed between its last epoch and the next round
            restore_random(states["random"])
        return False
    on_gpu, team = where.type == "cuda", outside.team
    with ExitStack() as stack:
        stack.enter_context(training_options(model, settings))
        still = stack.enter_context(only(model, settings.rounds[done.round]))
        model.train()  # lightning keeps the mode it finds, and a loaded model is in eval mode
        for module in still:
            module.eval()
        module = Round(model, train, valid, settings, done, still, states, outside)
        train.set_epoch(len(done.rows))
        if measure and not on_gpu:
            done.parts = parts_for(module, train, settings, done.parts, outside.say, team)
        if done.step and hasattr(train, "start"):
            train.start(done.step)
        logger: Any = False
        if log_folder is not None:
            logger = TensorBoardLogger(
                str(log_folder.parent), name=log_folder.name, version="", purge_step=len(done.rows) + 1
            )
        trainer = Trainer(
            **_places(where, team),
            max_epochs=settings.epochs - done.epoch,
            precision=_precision(settings.precision, on_gpu),  # type: ignore[arg-type]
            logger=logger,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        with _interrupts(trainer, outside):
            try:
                trainer.fit(module, StartAt(train, done.step), valid)
            except SystemExit as error:  # what lightning makes of a second Ctrl-C
                raise KeyboardInterrupt from error
    return any(team.heard(outside.stopped.is_set()))


def _places(where: torch.device, team: Team) -> dict[str, Any]:
    """Return what lightning is told of devices and processes."""
    if team.size == 1:
        return {"accelerator": where.type, "devices": [where.index] if where.index is not None else 1}
    from lightning.pytorch.plugins.environments import TorchElasticEnvironment

    return {
        "accelerator": where.type,
        "devices": team.local_size,
        "num_nodes": team.machines,
        "strategy": "ddp",
        "plugins": [TorchElasticEnvironment()],
    }


def _precision(wanted: str, on_gpu: bool) -> str:
    return wanted if wanted != "auto" else ("bf16-mixed" if on_gpu else "32-true")


@contextmanager
def _gpu_limit(limit_gb: float) -> Iterator[None]:
    if limit_gb <= 0:
        yield
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit_gb * 1e9 / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


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
def _interrupts(trainer: Any, outside: Outside) -> Iterator[None]:
    """The first Ctrl-C ends the fit after its step and keeps what was learned; a second one raises.

    Several processes stop together, at the end of a step (`Round`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def stop(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        outside.stopped.set()
        if outside.team.size == 1:
            trainer.should_stop = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

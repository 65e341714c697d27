"""One round of training as lightning's loop runs it: a step, an epoch's numbers, what is saved."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import kinema.torch_setup  # noqa: F401  (before lightning, which imports torchmetrics and torchvision)
from kinema.files import atomic_path
from kinema.models import VideoModel
from kinema.training.average import WeightAverage
from kinema.training.batches import Batches, as_floats
from kinema.training.distributed import AllStopError, Team
from kinema.training.memory import is_out_of_memory
from kinema.training.mixing import Mix, mix_of_step
from kinema.training.outside import Outside
from kinema.training.progress import (
    Done,
    changing_weights,
    random_states,
    restore_random,
    save_checkpoint,
)
from kinema.training.rounds import parameter_groups, warm_cosine
from kinema.training.settings import TrainSettings

_LARGEST_GRADIENT = 1.0  # norm to which longer gradients are cut


class LossIsNoNumberError(AllStopError):
    """The loss of a step is infinite or no number."""


class Round(LightningModule):
    """Cross-entropy, one optimiser, and a row of history an epoch; `done` says what was done before."""

    def __init__(
        self,
        model: VideoModel,
        train: Batches,
        valid: Batches | None,
        settings: TrainSettings,
        done: Done,
        still: list[nn.Module],
        states: dict[str, Any],
        outside: Outside,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # a step is made of parts, and their number may change
        self.model, self.done = model, done
        self._train, self._valid, self._settings = train, valid, settings
        self._still, self._states, self._outside = still, states, outside
        self._skip, self._first_epoch = done.step, done.epoch
        self._team, self._save_due = outside.team, False
        self._began, self._saved = time.monotonic() - done.seconds, time.monotonic()
        weights = train.class_weights() if settings.class_weights == "balanced" else None
        self._loss = nn.CrossEntropyLoss(weights, label_smoothing=settings.label_smoothing, reduction="none")
        self._average: WeightAverage | None = None
        self._schedule: Any = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups = parameter_groups(self.model, self._settings, self.done.round)
        # One pass over the weights; with it lightning would leave fp16's scale in the gradients that are cut.
        optimizer = torch.optim.AdamW(groups, fused=self._settings.precision != "16-mixed")
        steps = len(self._train) * self._settings.epochs
        self._schedule = warm_cosine(optimizer, steps, self._settings.warmup)
        if self._settings.ema:
            self._average = WeightAverage(self.model, self._settings.ema)
        return optimizer

    def on_train_start(self) -> None:
        if not self._states:
            return
        self.trainer.optimizers[0].load_state_dict(self._states["optimizer"])
        self._schedule.load_state_dict(self._states["schedule"])
        if self._average is not None:
            self._average.load_state_dict(self._states["average"])
        self.trainer.precision_plugin.load_state_dict(self._states["precision"])
        restore_random(self._states["random"])
        self._states = {}

    def on_train_epoch_start(self) -> None:
        for module in self._still:
            module.eval()
        self._train.set_epoch(self.epoch)

    @property
    def epoch(self) -> int:
        """The epoch of all rounds, from 0."""
        return len(self.done.rows)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        if index < self._skip:
            return
        inputs, targets = batch
        mix = mix_of_step(len(targets), self._settings, self.epoch, index)
        if mix is not None and len(inputs) < len(targets):
            inputs = self._team.whole(inputs)  # a clip's partner may be in another process
        optimizer: Any = self.optimizers()
        while True:
            on_gpu = inputs.device.type == "cuda"
            drawn = torch.get_rng_state(), torch.cuda.get_rng_state() if on_gpu else None
            optimizer.zero_grad()
            out_of_memory, loss, right = False, 0.0, 0.0
            try:
                loss, right = self._gradient(inputs, targets, mix)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                out_of_memory = True
            out_of_memory, loss, right = self._agree(out_of_memory, loss, right)
            if not out_of_memory:
                break
            self._divide(len(targets))
            torch.set_rng_state(drawn[0])
            if drawn[1] is not None:
                torch.cuda.empty_cache()
                torch.cuda.set_rng_state(drawn[1])
        if not math.isfinite(loss):
            raise LossIsNoNumberError(
                f"batch {index + 1} of {len(self._train)}: the loss is no longer a number in epoch {self.epoch + 1}: "
                "lower learning_rate"
            )
        self._exchange_gradients()
        optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update()
        self._count(0, loss * len(targets), right, len(targets))
        self.done.step = index + 1

    def _agree(self, out_of_memory: bool, loss: float, right: float) -> tuple[bool, float, float]:
        """Return what all processes met in this step: whether one ran out of memory, the loss, how many were right.

        Whether Ctrl-C was pressed and whether a long epoch is saved now is agreed on the way.
        """
        minutes = (time.monotonic() - self._saved) / 60
        due = self._team.leads and minutes >= self._settings.checkpoint_minutes
        own = [float(out_of_memory), loss, right, float(self._outside.stopped.is_set()), float(due)]
        any_out, loss, right, stopped, due_now = self._team.sums(own)
        if stopped:
            self._outside.stopped.set()
            self.trainer.should_stop = True
        self._save_due = due_now > 0
        return any_out > 0, loss, right

    def _gradient(self, inputs: Tensor, targets: Tensor, mix: Mix | None) -> tuple[float, float]:
        """Add up this process's share of the gradient of the mean loss over the batch, part by part.

        Return its share of that loss, and how many were right. A loss that is no number ends it.
        """
        total, right = 0.0, 0.0
        own = torch.tensor(self._team.share(len(targets)), dtype=torch.long)
        with self._without_exchange():
            for rows in own.chunk(min(self.done.parts, len(own))) if len(own) else []:
                loss, logits = self.loss(inputs, targets, rows, mix)
                if not torch.isfinite(loss):
                    return math.nan, 0.0
                self.manual_backward(loss * self._team.size)  # which DistributedDataParallel divides by
                total += float(loss.detach())
                right += float((logits.detach().argmax(1) == targets[rows.to(targets.device)]).sum())
        return total, right

    def _without_exchange(self) -> AbstractContextManager[Any]:
        if self._team.size == 1:
            return nullcontext()
        wrapped = self.trainer.strategy.model
        assert isinstance(wrapped, DistributedDataParallel)
        return wrapped.no_sync()

    def _exchange_gradients(self) -> None:
        """Average the gradients over the processes, once all of them have theirs.

        Where each began while others still compute, one that runs out of memory would leave them waiting for ever. So the
        parts are computed without exchange, and a loss of zero over all weights sets it going.
        """
        if self._team.size > 1:
            learning = (p for p in self.model.parameters() if p.requires_grad)
            self.manual_backward(torch.stack([p.sum() * 0 for p in learning]).sum())

    def loss(
        self, inputs: Tensor, targets: Tensor, rows: Tensor, mix: Mix | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the share of `rows` in the mean loss over the batch, and their logits `(len(rows), K)`.

        `rows` count through `targets`; `inputs` are those of all of them, or of this process's share.
        """
        first = self._first(inputs, targets)

        def take(chosen: Tensor) -> Tensor:
            return as_floats(self._train, inputs[chosen.to(inputs.device) - first])

        placed = rows.to(targets.device)
        goal = targets[placed]
        if mix is None:
            taken = take(rows)
        else:
            taken, share = mix.inputs(rows, take)
            goal = mix.targets(targets, placed, self.model.num_classes, share)
        logits = self._train.logits(self.model, taken)
        return self._loss(logits.float(), goal).sum() / len(targets), logits

    def _first(self, inputs: Tensor, targets: Tensor) -> int:
        """Return the number in the batch of the first of `inputs`."""
        return 0 if len(inputs) == len(targets) else self._team.share(len(targets)).start

    def _divide(self, clips: int) -> None:
        most = len(Team(0, self._team.size).share(clips))  # that a process has of them
        if self.done.parts >= most:
            raise AllStopError(
                "not enough memory for a step of one clip: take a smaller model, smaller or fewer pictures "
                "(--set height=… width=… frames=…), or --set checkpoint_activations=true"
            )
        self.done.parts = min(most, 2 * self.done.parts)
        size = -(-most // self.done.parts)
        self._outside.say(
            f"out of memory: {size} clips at a time from now on, {self.done.parts} parts a step; "
            f"a step still learns from {clips} clips"
        )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)

    def on_train_batch_end(self, outputs: Any, batch: Any, index: int) -> None:
        last = index + 1 >= len(self._train)  # its epoch's end is saved
        if index >= self._skip and not last and self._save_due:
            self._save()

    def on_validation_start(self) -> None:
        if self._average is not None:
            self._average.swap()

    def on_validation_end(self) -> None:
        if self._average is not None:
            self._average.swap()
        self.done.sums[1] = self._team.sums(self.done.sums[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        inputs, targets = batch
        assert self._valid is not None
        own = torch.tensor(self._team.share(len(targets)), dtype=torch.long)
        first = self._first(inputs, targets)
        size = len(Team(0, self._team.size).share(self._settings.batch_size))
        for part in own.split(-(-size // self.done.parts)) if len(own) else []:
            goal = targets[part.to(targets.device)]
            taken = as_floats(self._valid, inputs[part.to(inputs.device) - first])
            logits = self._valid.logits(self.model, taken).float()
            loss = float(F.cross_entropy(logits, goal, reduction="sum"))
            self._count(1, loss, float((logits.argmax(1) == goal).sum()), len(goal))

    def _count(self, part: int, loss: float, right: float, clips: int) -> None:
        self.done.sums[part] = [
            a + b for a, b in zip(self.done.sums[part], (loss, right, clips), strict=True)
        ]

    def on_train_epoch_end(self) -> None:
        (train_loss, train_right, train_clips), (loss, right, clips) = self.done.sums
        known, settings = clips > 0, self._settings
        row = {
            "epoch": self.epoch + 1,
            "train_loss": train_loss / max(1.0, train_clips),
            "valid_loss": loss / clips if known else math.nan,
            "train_accuracy": train_right / max(1.0, train_clips),
            "valid_accuracy": right / clips if known else math.nan,
            "learning_rate": self.trainer.optimizers[0].param_groups[0]["lr"],
        }
        with self._average.applied() if self._average is not None else nullcontext():
            self.done.take(row, changing_weights(self.model), known=known)
        self._skip = 0
        if self.logger is not None:
            numbers = {key: value for key, value in row.items() if key != "epoch" and value == value}
            self.logger.log_metrics(numbers, step=self.epoch)
        if settings.patience and self.done.stale >= settings.patience:
            self.trainer.should_stop = True
        if self._outside.history is not None:
            with atomic_path(self._outside.history) as temporary:
                self.done.history(len(settings.rounds)).to_csv(temporary, index=False)
        self._save()
        if self._outside.progress is not None:
            self._outside.progress(self.epoch, settings.epochs * len(settings.rounds), row)

    def _save(self) -> None:
        self.done.seconds = time.monotonic() - self._began
        self._saved = time.monotonic()
        others = self._team.heard(random_states())[1:]
        if self._outside.checkpoint is None:
            return
        save_checkpoint(
            self._outside.checkpoint,
            self.done,
            model=changing_weights(self.model),
            optimizer=self.trainer.optimizers[0].state_dict(),
            schedule=self._schedule.state_dict(),
            average=self._average.state_dict() if self._average is not None else {},
            precision=self.trainer.precision_plugin.state_dict(),
            random_of_others=others,
        )

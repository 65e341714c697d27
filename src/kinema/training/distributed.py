"""Training with several processes: who they are, which clips of a batch each takes, and what they agree on.

The processes are those that torchrun (or `kinema train --processes N`) started. Gradients are averaged by torch's
`DistributedDataParallel`, which lightning wraps around the model; here is what it does not do.
"""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from kinema.errors import KinemaError, UsageError
from kinema.models import torch_device

T = TypeVar("T")

# For the slowest thing that the others wait for: one process may decode much longer videos than the others.
_PATIENCE = datetime.timedelta(days=1)
_SECONDS_TO_BE_ENDED = 10.0  # that a launcher has to end us before we say that another process is gone


class AllStopError(KinemaError):
    """What all processes of a training find at the same moment: the first one says it, the others end quietly."""


@dataclass(frozen=True)
class Team:
    """The processes of one training. Alone, nothing is exchanged and every share is the whole.

    `rank` of `size`; `local_rank` of the `local_size` on this machine. The first one, of rank 0, leads: it alone prints and
    writes files.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        """How many machines take part."""
        return self.size // self.local_size

    def share(self, items: int) -> range:
        """Return which of `items` are this process's: neighbours, at most one more than another's; the first has some.

        >>> [list(Team(rank, 3).share(4)) for rank in range(3)]
        [[0, 1], [2], [3]]
        """
        return range(-(-items * self.rank // self.size), -(-items * (self.rank + 1) // self.size))

    def own_seed(self, seed: int, *place: int) -> int:
        """Return the first process's `seed`, and for any other its own of it and of the place in the training."""
        return (
            seed
            if self.leads
            else int(np.random.SeedSequence([seed, self.rank, *place]).generate_state(1)[0])
        )

    def told(self, value: T) -> T:
        """Return the first process's `value`."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def heard(self, value: T) -> list[T]:
        """Return every process's `value`, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Return each number summed over the processes."""
        if self.size == 1:
            return list(numbers)
        summed = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(summed)
        return [float(number) for number in summed]

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.sums([0.0])

    def whole(self, inputs: Tensor) -> Tensor:
        """Return the batch of which each process has its share, `inputs`."""
        from torchmetrics.utilities.distributed import gather_all_tensors

        return inputs if self.size == 1 else torch.cat(gather_all_tensors(inputs.contiguous()))


def is_follower() -> bool:
    """Whether torchrun started this process beside a first one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and os.environ.get("RANK", "0") != "0"


@contextmanager
def joined(device: str = "auto") -> Iterator[Team]:
    """Be one of the processes that torchrun started; alone where it started none.

    When another process ends, `KinemaError` is raised here, unless the launcher ends this one before.

    Raises `UsageError` when a machine has fewer GPUs than processes.
    """
    team = _announced()
    if team.size == 1:
        yield team
        return
    if torch_device(device).type == "cuda":
        count = torch.cuda.device_count()
        if count < team.local_size:
            if team.local_rank:  # said once on each machine
                raise SystemExit(UsageError.exit_code)
            raise UsageError(
                f"{team.local_size} processes for {count} GPUs: start as many as there are GPUs, or take --device cpu"
            )
        torch.cuda.set_device(team.local_rank)
    _end_with_the_launcher()
    backend = "cpu:gloo,cuda:nccl" if dist.is_nccl_available() and torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=_PATIENCE)
        yield team
    except RuntimeError as error:
        if not _is_parting(error):
            raise
        time.sleep(_SECONDS_TO_BE_ENDED)
        raise KinemaError("another process of this training has ended; its own line says why") from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _announced() -> Team:
    """Return the team that the environment names, as torchrun sets it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    try:
        return Team(*(int(os.environ[name]) for name in names))
    except KeyError as error:
        raise UsageError(
            f"WORLD_SIZE is set and {error.args[0]} is not: start the processes with torchrun, or unset WORLD_SIZE"
        ) from error


def _is_parting(error: RuntimeError) -> bool:
    words = ("connection closed", "connection reset", "broken pipe", "connection refused", "recvvalue failed")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def _end_with_the_launcher() -> None:
    """End when the process that started this one has: a launcher that is killed takes nobody else with it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

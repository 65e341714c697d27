"""What a fit has around it: who hears of it, where it saves itself, and the batches that it has seen already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from kinema.training.batches import Batches
from kinema.training.distributed import Team


@dataclass
class Outside:
    """What a fit has around it: where it saves itself and its history, who hears of it, and who takes part.

    `stopped` is set by Ctrl-C, and at the end of the same step in all processes.
    """

    checkpoint: Path | None
    history: Path | None
    progress: Callable[[int, int, dict[str, float]], None] | None
    say: Callable[[str], None]
    team: Team = field(default_factory=Team)
    stopped: threading.Event = field(default_factory=threading.Event)


class StartAt:
    """Batches of which the first `skip` of the first pass are empty: they were trained on before the process was killed."""

    def __init__(self, batches: Batches, skip: int) -> None:
        self.batches, self.skip = batches, skip

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        skip, self.skip = self.skip, 0
        nothing = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        yield from (nothing for _ in range(skip))
        inner = iter(self.batches)
        if skip and not hasattr(self.batches, "start"):
            for _ in range(skip):
                next(inner)
        yield from inner

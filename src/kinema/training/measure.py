"""Measures a real step before the first epoch, and says how it must be divided."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from kinema.training.batches import Batches
from kinema.training.distributed import Team
from kinema.training.memory import available_bytes, parts_that_fit
from kinema.training.settings import TrainSettings

if TYPE_CHECKING:
    from kinema.training.module import Round


def parts_for(
    module: Round,
    train: Batches,
    settings: TrainSettings,
    parts: int,
    say: Callable[[str], None],
    team: Team = Team(),
) -> int:
    """Return in how many parts a step of `train`'s first batch fits the machine's memory, at least `parts`.

    Several processes on a machine have equal shares of its memory, and take the parts of the one that
    needs most. The model, its batch statistics and the random generators are left as they were.
    """
    told = [
        amount
        for amount in team.heard(available_bytes(settings.memory_limit, processes=team.local_size))
        if amount is not None
    ]
    if not told:
        return parts
    available = min(told)
    inputs, targets = next(iter(train))
    own = torch.tensor(team.share(len(targets)), dtype=torch.long)
    model = module.model
    learned = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    # AdamW's two moments, the best weights, the running mean, gradients on their way; and the two batches read ahead.
    kept = learned * (3 + bool(settings.ema) + (team.size > 1)) + 2 * inputs.numel() * inputs.element_size()
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    drawn = torch.get_rng_state()

    def step(clips: int) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16-mixed"):
            loss, _ = module.loss(inputs, targets, own[:clips])
        loss.backward()
        model.zero_grad(set_to_none=True)

    try:
        found = parts_that_fit(step, len(own), parts, available, kept) if len(own) else parts
    finally:
        torch.set_rng_state(drawn)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    found = max(team.heard(found))
    if found > parts:
        size = -(-len(own) // found)
        say(
            f"a step of {len(targets)} clips does not fit the {available / 1e9:.1f} GB at hand (measured): "
            f"{size} clips at a time, {found} parts a step; a step still learns from {len(targets)} clips"
        )
    return found

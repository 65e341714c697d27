"""Options of a network while it is trained: activations computed again, weights channels-last, compiled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from kinema.models import VideoModel
from kinema.training.settings import TrainSettings


@contextmanager
def training_options(model: VideoModel, settings: TrainSettings) -> Iterator[None]:
    """Train `model` with the options that `settings` names; afterwards it is as it was."""
    with ExitStack() as stack:
        if settings.channels_last:
            stack.enter_context(channels_last(model))
        if settings.checkpoint_activations:
            stack.enter_context(recomputed_activations(model))
        if settings.compile:
            stack.enter_context(compiled(model))
        yield


@contextmanager
def recomputed_activations(model: VideoModel) -> Iterator[None]:
    """Keep only what enters each block of the body; the backward pass computes the rest again (Chen et al., arXiv 1604.06174).

    The gradients are the same. Batch norm counts a batch once, not again when it is computed again. A long `Sequential` of single
    layers, as in VGG, is divided into about as many blocks as each has layers.
    """
    body = model.backbone if isinstance(getattr(model, "backbone", None), nn.Module) else model
    assert isinstance(body, nn.Module)
    total = sum(p.numel() for p in body.parameters())
    wrapped = list(_units(body, total))
    try:
        for module in wrapped:
            object.__setattr__(module, "forward", _again(module, total))
        yield
    finally:
        for module in wrapped:
            module.__dict__.pop("forward", None)


def _units(module: nn.Module, total: int) -> Iterator[nn.Module]:
    children = list(module.children())
    if not children:
        return
    large = 2 * sum(p.numel() for p in module.parameters()) > total
    if _is_row_of_layers(module) or not (large or isinstance(module, (nn.Sequential, nn.ModuleList))):
        yield module
        return
    for child in children:
        yield from _units(child, total)


def _is_row_of_layers(module: nn.Module) -> bool:
    layers = [child for child in module.children() if not list(child.children())]
    return isinstance(module, nn.Sequential) and any(True for layer in layers for _ in layer.parameters())


def _again(module: nn.Module, total: int) -> Callable[..., Any]:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _still_norms(module)

    def again(call: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
        return checkpoint(call, *inputs, use_reentrant=False, context_fn=contexts, **named)

    forward = module.forward
    layers = list(module.children())
    many = _is_row_of_layers(module) and 2 * sum(p.numel() for p in module.parameters()) > total
    length = math.ceil(len(layers) ** 0.5) if many else len(layers)

    def run(*inputs: Any, **named: Any) -> Any:
        if not (module.training and torch.is_grad_enabled()):
            return forward(*inputs, **named)
        if not many:
            return again(forward, *inputs, **named)
        (passed,) = inputs
        for first in range(0, len(layers), length):
            passed = again(nn.Sequential(*layers[first : first + length]), passed)
        return passed

    return run


@contextmanager
def _still_norms(module: nn.Module) -> Iterator[None]:
    """Batch norms normalise by the batch, and their running statistics stay as they are."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [None if n.num_batches_tracked is None else n.num_batches_tracked.clone() for n in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)


@contextmanager
def channels_last(model: VideoModel) -> Iterator[None]:
    """Store the weights of convolutions with the channels last, over pictures and over clips; contiguous again afterwards."""
    _store(model, torch.channels_last, torch.channels_last_3d)
    try:
        yield
    finally:
        _store(model, torch.contiguous_format, torch.contiguous_format)


def _store(model: VideoModel, pictures: torch.memory_format, clips: torch.memory_format) -> None:
    formats = {4: pictures, 5: clips}
    for parameter in model.parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])


@contextmanager
def compiled(model: VideoModel) -> Iterator[None]:
    """Calls of the model go through torch.compile; names and weights stay as they are."""
    model.compile()
    try:
        yield
    finally:
        model._compiled_call_impl = None

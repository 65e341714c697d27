"""Modules as ONNX files, with a first axis of any length."""

from __future__ import annotations

import builtins
import functools
import io
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.files import atomic_path

_OPSET = 17


def _is_tracing() -> bool:
    return torch._C._get_tracing_state() is not None


def _length(plain: Callable[..., Any], thing: Any) -> Any:
    """`len(tensor)` as a number of the graph: Python's own is a plain number, and the graph would keep the example's."""
    return thing.shape[0] if isinstance(thing, Tensor) and _is_tracing() else plain(thing)


def _zeros(plain: Callable[..., Any], like: Tensor, **kind: Any) -> Tensor:
    """Zeros made from the tensor's own values: the exporter writes `zeros_like` down with the example's length."""
    if _is_tracing() and like.is_floating_point() and not kind:
        return like.clamp(0, 0)
    found: Tensor = plain(like, **kind)
    return found


def _sized(plain: Callable[..., Any], tensor: Tensor, sizes: Any, *more: Any, **named: Any) -> Tensor:
    """A pool over the whole map, or padding as TensorFlow's SAME, by plain numbers: the size of pictures is fixed."""
    if _is_tracing() and isinstance(sizes, Sequence):
        sizes = [int(size) for size in sizes]
    found: Tensor = plain(tensor, sizes, *more, **named)
    return found


# What the exporter cannot write down correctly, and what stands in for it in the thread that traces.
_STAND_INS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (builtins, "len", _length),
    (torch, "zeros_like", _zeros),
    (F, "pad", _sized),
    (F, "avg_pool2d", _sized),
    (F, "avg_pool3d", _sized),
)
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def _tracing() -> Iterator[None]:
    """Put the stand-ins in place, as torch.fx does with `len`; torch's own mode for this crashes the exporter."""
    with ExitStack() as stack:
        stack.enter_context(_ONE_AT_A_TIME)
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.no_grad())
        warnings.simplefilter("ignore")
        for home, name, stand_in in _STAND_INS:
            plain = getattr(home, name)
            stack.callback(setattr, home, name, plain)
            setattr(home, name, functools.partial(stand_in, plain))
        yield


def write_onnx(
    module: nn.Module, example: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str], path: Path
) -> None:
    """Write `module` as one self-contained file, traced with `example`; the first axis of every input and output is free.

    Raises what torch's exporter raises for an operator that ONNX has no name for.
    """
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)}
    # What the exporter prints of a graph that it cannot write is thousands of lines; its error says enough.
    with atomic_path(path) as temporary, _tracing(), redirect_stdout(io.StringIO()):
        # The tracing exporter needs no onnxscript.
        torch.onnx.export(
            module.eval(),
            tuple(example),
            str(temporary),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def trace(module: nn.Module, example: Sequence[Tensor]) -> Any:
    """Return `module` as TorchScript, traced with `example` and frozen."""
    with _tracing():
        traced = torch.jit.trace(module.eval(), tuple(example), check_trace=False)
        return torch.jit.freeze(traced)

"""The graphs that a model is exported as, each with its inputs, and whether a file computes the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import KinemaError, UsageError, first_line
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.runtimes.graphs import Graph, OnnxGraph
from kinema.models.runtimes.info import StateInfo
from kinema.models.runtimes.modules import BackbonePath, HeadPath, WholePath
from kinema.models.runtimes.names import Part
from kinema.models.runtimes.steps import step_module
from kinema.models.runtimes.tracing import write_onnx

# Largest difference from torch that is accepted: of a probability, and of a feature relative to the largest one.
PARITY = 1e-4


@dataclass(frozen=True)
class GraphPart:
    """One graph: `module` takes `inputs` and gives `outputs`; `shapes` are those of the inputs without the batch.

    `states` go round from call to call.
    """

    part: Part
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    states: tuple[StateInfo, ...] = ()

    def example(self, batch: int, seed: int = 0) -> list[Tensor]:
        """Return synthetic inputs: noise in every second picture, smooth ones between, and random states."""
        rng = np.random.default_rng(seed)
        found = []
        for name, shape in zip(self.inputs, self.shapes, strict=True):
            if name == "pictures":
                found.append(torch.from_numpy(_synthetic((batch, *shape), rng)))
            elif name == "seen":
                found.append(torch.arange(batch, dtype=torch.int64))
            else:
                found.append(torch.from_numpy(rng.random((batch, *shape), np.float32)))
        return found


def parts_of(model: VideoModel, spec: ClipSpec, temperature: float) -> dict[Part, GraphPart]:
    """Return the graphs of a model: `whole`, and what it follows a stream with, `backbone` and `head`, or `step`.

    A model of whole clips that keeps its window follows a stream with `whole`; one with a state of its own that kinema
    cannot write down as a graph has `whole` alone, and follows streams in torch.
    """
    picture = (spec.height, spec.width, 3)
    whole = WholePath(model, spec, temperature)
    found: dict[Part, GraphPart] = {
        "whole": GraphPart("whole", whole, ("pictures",), whole.outputs, ((spec.frames, *picture),))
    }
    if isinstance(model, FactorisedModel):
        dim, frames = model.backbone.dim, model.frames
        backbone, head = BackbonePath(model.backbone, spec), HeadPath(model, temperature)
        found["backbone"] = GraphPart("backbone", backbone, ("pictures",), backbone.outputs, (picture,))
        ring = StateInfo("ring", (frames, dim), "float32", "first")
        found["head"] = GraphPart(
            "head", head, ("features", "ring"), head.outputs, ((dim,), ring.shape), (ring,)
        )
    elif (step := step_module(model, spec, temperature)) is not None:
        states = tuple(step.states)
        inputs = ("pictures", *(state.name for state in states))
        shapes = (picture, *(state.shape for state in states))
        found["step"] = GraphPart("step", step, inputs, step.outputs, shapes, states)
    return found


def keeps_window(model: VideoModel) -> bool:
    """Whether a model of whole clips follows a stream by its window, and not by a state of its own."""
    return isinstance(model, ClipModel) and type(model).track is ClipModel.track


def write_part(
    part: GraphPart, path: Path, open_file: Callable[[Path], Graph] = lambda p: OnnxGraph(p, 1)
) -> float:
    """Write one graph as ONNX, and return how far it is from torch for one clip and for three; nothing is left where that
    is more than `PARITY`.

    Raises `UsageError` where the exporter cannot write this network, or wrote what computes something else.
    """
    problem = ""
    # Some networks keep the example's batch where it is two; of one, every operator can make any number.
    for batch in (2, 1):
        try:
            write_onnx(part.module, part.example(batch), part.inputs, part.outputs, path)
            worst = max(difference(part, open_file(path), part.example(n, seed=n)) for n in (1, 3))
        except KinemaError:
            raise
        except Exception as error:  # torch's exporter and the runtime each have a dozen kinds
            problem = first_line(error)
            continue
        if worst <= PARITY:
            return worst
        problem = f"its {part.part} graph differs from torch by {worst:.1e}, more than {PARITY:.0e}"
    path.unlink(missing_ok=True)
    raise UsageError(
        f"this network cannot be written as ONNX ({problem}); take --to torchscript, or runtime torch"
    )


def difference(part: GraphPart, graph: Graph, inputs: Sequence[Tensor]) -> float:
    """Return the largest difference of a graph's outputs from torch's for the same inputs.

    Probabilities are compared as they are; features, logits and states relative to the largest value, where that is
    above one.
    """
    with torch.inference_mode():
        expected = part.module.eval()(*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = graph.run({name: value.numpy() for name, value in zip(part.inputs, inputs, strict=True)})
    worst = 0.0
    for name, value in zip(part.outputs, expected, strict=True):
        worst = max(worst, apart(found[name], value.numpy(), relative=name != "probabilities"))
    return worst


def apart(found: NDArray[Any], expected: NDArray[Any], *, relative: bool) -> float:
    """Return the largest difference of two arrays, infinite where their shapes differ or something is no number."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    if not expected.size:
        return 0.0
    scale = max(1.0, float(np.abs(expected).max())) if relative else 1.0
    return float(np.abs(found.astype(np.float64) - expected).max()) / scale


def _synthetic(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    pictures = rng.integers(0, 256, shape, dtype=np.uint8).reshape(-1, *shape[-3:])
    ramp = np.linspace(0, 255, shape[-2])[None, :, None]
    for index in range(1, len(pictures), 2):
        pictures[index] = np.roll(ramp, index, axis=1).astype(np.uint8)
    return pictures.reshape(shape)

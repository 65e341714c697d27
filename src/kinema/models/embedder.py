"""Runs a frozen backbone over pictures: ONNX Runtime on a CPU, torch on a GPU, the same numbers from both.

On two cores ONNX Runtime takes less than half of torch's time for EfficientNet-Lite0 (benchmarks/backbone.py measures it). The
exported graph begins with the spec's normalisation, so it takes uint8 pictures. It is used only after its output has
been compared with torch's.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.data.segments import usable_cores
from kinema.errors import KinemaError, first_line
from kinema.files import cache_folder
from kinema.models.backbones import FrameBackbone
from kinema.models.devices import torch_device
from kinema.models.runtimes.graphs import Graph, OnnxGraph, open_graph
from kinema.models.runtimes.modules import BackbonePath
from kinema.models.runtimes.tracing import write_onnx

# Largest difference accepted, relative to the largest feature of the same pictures.
PARITY = 1e-4
# Pictures in a call of one thread: the intermediate results of two stay in the processor's cache, those of a batch of
# 16 do not (benchmarks/backbone.py compares them).
_PIECE = 2


class Embedder(Protocol):
    """Pictures uint8 `(N, H, W, 3)` to features float32 `(N, D)`; `engine` names what computes them, `at_a_time` how
    many calls may run side by side."""

    engine: str
    at_a_time: int
    passes: int

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]: ...


def create_embedder(
    backbone: FrameBackbone, spec: ClipSpec, device: str = "auto", threads: int | None = None
) -> Embedder:
    """Return the fastest embedder that agrees with torch on this machine.

    `device` is a word of `torch_device`; `cpu` is ONNX Runtime.
    """
    where = torch_device(device)
    if device == "torch" or where.type != "cpu":
        return TorchEmbedder(backbone, spec, str(where))
    try:
        embedder = OnnxEmbedder(backbone, spec, threads)
    except ImportError:
        warnings.warn(
            "onnxruntime is not installed: torch is used, several times slower on a CPU", stacklevel=2
        )
        return TorchEmbedder(backbone, spec, "cpu")
    except KinemaError:
        raise
    except Exception as error:  # some networks of timm use what the exporter does not know
        warnings.warn(
            f"backbone '{backbone.name}' cannot be run by ONNX Runtime ({first_line(error)}): torch is used, slower on a CPU",
            stacklevel=2,
        )
        return TorchEmbedder(backbone, spec, "cpu")
    return embedder if embedder.agrees else TorchEmbedder(backbone, spec, "cpu")


class TorchEmbedder:
    """The backbone in torch, in float32."""

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec, device: str) -> None:
        self.engine = f"torch {device.partition(':')[0]}"
        self.passes = 0
        self.at_a_time = 1
        self._device = torch.device(device)
        self._spec = spec
        # On a GPU a copy: the model that the backbone belongs to stays on the CPU, beside its head.
        own = backbone if self._device.type == "cpu" else copy.deepcopy(backbone)
        self._backbone = own.to(self._device)

    @torch.inference_mode()
    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.passes += len(pictures)
        self._backbone.eval()
        batch = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device)
        features: NDArray[np.float32] = self._backbone(self._spec.normalise(batch)).float().cpu().numpy()
        return features


class GraphEmbedder:
    """The backbone as an exported graph.

    Many pictures are dealt out, two at a time, to threads that each run the whole network: no thread waits for another
    within a layer, and a decoder that takes a core for a moment delays one of them. Fewer pictures than threads, a live
    stream's, are computed with all threads inside each layer.

    `narrow` computes in one thread for each of several callers, `wide()` opens what computes with all threads.
    """

    engine: str

    def __init__(self, narrow: Graph, wide: Callable[[], Graph], threads: int) -> None:
        self.engine = narrow.engine
        self.passes = 0
        self.at_a_time = 2  # while the last pieces of one batch are computed, the next one's are begun
        self._threads, self._narrow, self._open_wide = threads, narrow, wide
        self._wide: Graph | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, "embed") if threads > 1 else None

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            self.passes += len(pictures)
        pictures = np.ascontiguousarray(pictures)
        if self._pool is None:
            pieces = [_run(self._narrow, pictures[i : i + _PIECE]) for i in range(0, len(pictures), _PIECE)]
        elif len(pictures) < self._threads:
            return self.whole(pictures)
        else:
            step = min(_PIECE, len(pictures) // self._threads)
            starts = range(0, len(pictures), step)
            pieces = list(self._pool.map(lambda i: _run(self._narrow, pictures[i : i + step]), starts))
        return np.concatenate(pieces) if pieces else _run(self._narrow, pictures)

    def whole(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute all pictures in one call, with all threads inside each layer: the least wait for one picture."""
        with self._lock:
            if self._wide is None:
                self._wide = self._open_wide()
        return _run(self._wide, pictures)


def open_embedder(path: Path, threads: int | None = None, *, openvino: bool = False) -> GraphEmbedder:
    """Open an exported backbone, a file of any format; `openvino` lets OpenVINO run an ONNX file. Raises as `open_graph`."""
    count = threads or usable_cores()
    narrow = open_graph(path, count, count, openvino=openvino)
    # The others have their threads inside each layer.
    callers = count if isinstance(narrow, OnnxGraph) else 1
    return GraphEmbedder(narrow, lambda: open_graph(path, count, openvino=openvino), callers)


class OnnxEmbedder(GraphEmbedder):
    """The backbone in ONNX Runtime; exported once for its weights and spec and kept in the cache folder as `path`."""

    engine = "onnxruntime cpu"

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec, threads: int | None = None) -> None:
        folder = cache_folder() / "onnx"
        path = folder / f"{backbone.fingerprint()}-{spec.fingerprint(pixels_only=True)}.onnx"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.agrees = True
        count = threads or usable_cores()
        with FileLock(str(path) + ".lock"):
            if path.exists():
                try:
                    narrow = OnnxGraph(path, 1)
                except Exception:  # damaged: written anew
                    path.unlink()
                else:
                    super().__init__(narrow, lambda: OnnxGraph(path, count), count)
                    return
            # Under its own name only once it is known to agree, so that a kill in between leaves nothing unchecked.
            candidate = path.with_suffix(".unchecked.onnx")
            try:
                _export(backbone, spec, candidate)
                wide = OnnxGraph(candidate, count)
                super().__init__(OnnxGraph(candidate, 1), lambda: wide, count)
                self.agrees = _agrees(self, backbone, spec)
                if self.agrees:
                    candidate.replace(path)
            finally:
                candidate.unlink(missing_ok=True)


def _run(graph: Graph, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return graph.run({"pictures": pictures})["features"]


def _export(backbone: FrameBackbone, spec: ClipSpec, path: Path) -> None:
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    device = next(backbone.parameters()).device
    write_onnx(BackbonePath(backbone, spec), [example.to(device)], ["pictures"], BackbonePath.outputs, path)


def _agrees(embedder: OnnxEmbedder, backbone: FrameBackbone, spec: ClipSpec) -> bool:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (2, spec.height, spec.width, 3), dtype=np.uint8)
    ramp = np.linspace(0, 255, spec.width, dtype=np.float32)[None, None, :, None]
    smooth = np.broadcast_to(ramp, (1, spec.height, spec.width, 3)).astype(np.uint8)
    pictures = np.concatenate([noise, smooth])
    expected = TorchEmbedder(backbone, spec, "cpu")(pictures)
    difference = float(np.abs(embedder(pictures) - expected).max() / max(1e-6, np.abs(expected).max()))
    embedder.passes = 0
    if not difference <= PARITY:
        warnings.warn(
            f"ONNX Runtime differs from torch by {difference:.1e} of the largest feature: torch is used",
            stacklevel=3,
        )
        return False
    return True

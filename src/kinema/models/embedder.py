"""Runs a frozen backbone over pictures: ONNX Runtime on a CPU, torch on a GPU, the same numbers from both.

On two cores ONNX Runtime takes less than half of torch's time for EfficientNet-Lite0 (benchmarks/backbone.py measures it). The
exported graph begins with the spec's normalisation, so it takes uint8 pictures. It is used only after its output has
been compared with torch's.
"""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import KinemaError
from kinema.files import atomic_path, cache_folder
from kinema.models.backbones import FrameBackbone

# Largest difference accepted, relative to the largest feature of the same pictures.
PARITY = 1e-4


class Embedder(Protocol):
    """Pictures uint8 `(N, H, W, 3)` to features float32 `(N, D)`; `engine` names what computes them."""

    engine: str
    passes: int

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]: ...


def create_embedder(
    backbone: FrameBackbone, spec: ClipSpec, device: str = "auto", threads: int | None = None
) -> Embedder:
    """Return the fastest embedder that agrees with torch on this machine.

    `device`: `auto`, `cpu` (ONNX Runtime), `torch` (torch on the CPU), `cuda` or `cuda:N`.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device != "cpu":
        return TorchEmbedder(backbone, spec, "cpu" if device == "torch" else device)
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
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        warnings.warn(
            f"backbone '{backbone.name}' cannot be run by ONNX Runtime ({reason}): torch is used, slower on a CPU",
            stacklevel=2,
        )
        return TorchEmbedder(backbone, spec, "cpu")
    return embedder if embedder.agrees else TorchEmbedder(backbone, spec, "cpu")


class TorchEmbedder:
    """The backbone in torch, in float32."""

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec, device: str) -> None:
        self.engine = f"torch {device.partition(':')[0]}"
        self.passes = 0
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


class OnnxEmbedder:
    """The backbone in ONNX Runtime; exported once for its weights and spec and kept in the cache folder."""

    engine = "onnxruntime cpu"

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec, threads: int | None = None) -> None:
        folder = cache_folder() / "onnx"
        path = folder / f"{backbone.fingerprint()}-{spec.fingerprint(pixels_only=True)}.onnx"
        folder.mkdir(parents=True, exist_ok=True)
        self.passes = 0
        self.agrees = True
        with FileLock(str(path) + ".lock"):
            if path.exists():
                try:
                    self._session = _session(path, threads)
                    return
                except Exception:  # damaged: written anew
                    path.unlink()
            # Under its own name only once it is known to agree, so that a kill in between leaves nothing unchecked.
            candidate = path.with_suffix(".unchecked.onnx")
            try:
                _export(backbone, spec, candidate)
                self._session = _session(candidate, threads)
                self.agrees = _agrees(self, backbone, spec)
                if self.agrees:
                    candidate.replace(path)
            finally:
                candidate.unlink(missing_ok=True)

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.passes += len(pictures)
        features: NDArray[np.float32] = self._session.run(None, {"pictures": np.ascontiguousarray(pictures)})[
            0
        ]
        return features


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(path: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from the decoders and from the temporal head.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class _FromBytes(nn.Module):
    """The backbone behind the spec's normalisation: uint8 `(N, H, W, 3)` to `(N, D)`."""

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec) -> None:
        super().__init__()
        self.backbone, self.spec = backbone, spec

    def forward(self, pictures: Tensor) -> Tensor:
        return self.backbone(self.spec.normalise(pictures))


def _export(backbone: FrameBackbone, spec: ClipSpec, path: Path) -> None:
    module = _FromBytes(backbone, spec).eval()
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    device = next(backbone.parameters()).device
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings: dict[str, Any] = {"input_names": ["pictures"], "output_names": ["features"]}
        axes = {"pictures": {0: "pictures"}, "features": {0: "pictures"}}
        # The tracing exporter writes one self-contained file and needs no onnxscript.
        torch.onnx.export(
            module, (example.to(device),), str(temporary), dynamic_axes=axes, dynamo=False, **settings
        )


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

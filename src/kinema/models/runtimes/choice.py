"""Which runtime computes a backbone fastest on this machine's processor: measured once, in at most about two seconds.

The choice is for inference only. Features of training always come from ONNX Runtime, as their cache is keyed by what
computed them, and a busy moment of the machine must not change what is trained.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.data.segments import usable_cores
from kinema.errors import KinemaError, first_line
from kinema.files import cache_folder, write_json
from kinema.models.backbones import FrameBackbone
from kinema.models.embedder import (
    Embedder,
    OnnxEmbedder,
    TorchEmbedder,
    create_embedder,
    open_embedder,
)

DEFAULT = "onnx"
_SECONDS = 2.0
_ROUNDS = 3
_PICTURES = 4
# How much less time than ONNX Runtime another must take to be chosen: noise does not reach it.
_MARGIN = 0.85
_LIBRARIES = ("torch", "onnxruntime", "openvino", "kinema")


@dataclass(frozen=True)
class Choice:
    """The chosen runtime, milliseconds a picture of each that was measured, and why in a few words."""

    runtime: str
    milliseconds: dict[str, float]
    why: str


def choose_runtime(backbone: FrameBackbone, spec: ClipSpec, *, anew: bool = False) -> Choice:
    """Return the runtime for `backbone` on this machine, from the cache folder where it was measured before.

    The key covers versions, processor, cores, backbone and picture size. The fallback, where time runs out or something
    cannot be measured, is ONNX Runtime. `anew` measures again.
    """
    path = cache_folder() / "runtimes" / f"{_key(backbone, spec)}.json"
    if not anew and (known := _stored(path)) is not None:
        return known
    try:
        choice = _measured(backbone, spec)
    except Exception as error:
        return Choice(DEFAULT, {}, f"could not be measured ({first_line(error)})")
    try:
        write_json(path, asdict(choice))
    except KinemaError:
        warnings.warn(
            f"{path.parent}: cannot be written; the runtimes are measured again next time", stacklevel=2
        )
    return choice


def _measured(backbone: FrameBackbone, spec: ClipSpec) -> Choice:
    until = time.perf_counter() + _SECONDS
    plain = create_embedder(backbone, spec, "cpu")
    if not isinstance(plain, OnnxEmbedder):
        return Choice("torch", {}, "ONNX Runtime does not run this backbone")
    pictures = np.random.default_rng(0).integers(
        0, 256, (_PICTURES, spec.height, spec.width, 3), dtype=np.uint8
    )
    seconds = {DEFAULT: _seconds(plain, pictures)}
    others: dict[str, Callable[[], Embedder]] = {"torch": lambda: TorchEmbedder(backbone, spec, "cpu")}
    if _version("openvino") is not None:
        others = {"openvino": lambda: open_embedder(plain.path, openvino=True), **others}
    late = []
    for name, build in others.items():
        # torch may take five times as long, and OpenVINO compiles first.
        if time.perf_counter() + 3 * _ROUNDS * seconds[DEFAULT] > until:
            late.append(name)
            continue
        embedder = build()
        first = _seconds(embedder, pictures, rounds=1)
        slow = first > 2 * seconds[DEFAULT] or time.perf_counter() > until
        seconds[name] = first if slow else _seconds(embedder, pictures)
    fastest = min(seconds, key=lambda name: seconds[name])
    chosen = fastest if seconds[fastest] < _MARGIN * seconds[DEFAULT] else DEFAULT
    milliseconds = {name: round(1000 * value / _PICTURES, 2) for name, value in seconds.items()}
    why = "the fastest" if chosen == fastest else "another is faster by less than the margin of 15 %"
    if late:
        why += f"; no time was left to measure {', '.join(late)}"
    return Choice(chosen, milliseconds, why)


def _seconds(embed: Embedder, pictures: NDArray[np.uint8], rounds: int = _ROUNDS) -> float:
    embed(pictures)
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        embed(pictures)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _key(backbone: FrameBackbone, spec: ClipSpec) -> str:
    import hashlib

    facts: dict[str, Any] = {
        "backbone": [backbone.name, [str(tap) for tap in backbone.taps], backbone.dim],
        "size": [spec.height, spec.width],
        "cores": usable_cores(),
        "machine": [platform.machine(), platform.system(), _processor()],
        "versions": {name: _version(name) for name in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _stored(path: Path) -> Choice | None:
    try:
        found = Choice(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or damaged: measured
        return None
    return found if found.runtime in ("torch", "onnx", "openvino") else None

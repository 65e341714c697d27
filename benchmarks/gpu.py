"""What the machine's GPU does: its part of the tests, and samples a second of training and of features.

    python benchmarks/gpu.py [--write] [--device cuda] [--quick] [--json out.json]

Training is `fit` on synthetic clips that lie ready in memory, so decoding plays no part: R(2+1)D-18 and LRCN with everything
trained, in float32 and in bf16; the first epoch, which warms up, is left out. Features are those of the bundled backbone,
pictures of 224x224 to the GPU and features back. `--write` puts the table into docs/benchmarks.md under the machine's
name; other machines' tables stay. `--device cpu --quick` shows that it works where there is no GPU.
"""

from __future__ import annotations

import itertools
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common import machine, parser, say_machine, write
from kinema.data import ClipSpec
from kinema.errors import UsageError
from kinema.models import VideoModel, create_embedder, create_model, default_spec, torch_device
from kinema.training import TrainSettings, fit

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = "# Benchmarks on GPUs\n\nA section a machine, written by `make bench-gpu` on it.\n"
NETWORKS: dict[str, dict[str, Any]] = {"r2plus1d_18": {}, "lrcn": {"freeze": False}}


class ReadyClips:
    """Batches of one synthetic batch of clips, uint8 `(B, T, H, W, 3)`, that lies in memory."""

    def __init__(self, spec: ClipSpec, batch: int, steps: int) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (batch, spec.frames, spec.height, spec.width, 3)
        self.spec, self.steps = spec, steps
        self.clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        self.targets = torch.arange(batch) % 2

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(self.clips, self.targets)] * self.steps)

    def set_epoch(self, epoch: int) -> None:
        pass

    def floats(self, inputs: Tensor) -> Tensor:
        return self.spec.clip(inputs)

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        logits: Tensor = model(inputs)
        return logits

    def class_weights(self) -> Tensor:
        return torch.ones(2)


def training(name: str, precision: str, device: str, batch: int, steps: int) -> float:
    """Return samples a second of `fit`, the median of the epochs after the first."""
    spec = default_spec(name, NETWORKS[name])
    model = create_model(name, 2, spec, **NETWORKS[name])
    ends: list[float] = []  # of epochs; the first, which warms up, ends where the counting begins
    settings = TrainSettings(epochs=4, batch_size=batch, precision=precision, class_weights="none")
    fit(
        model, ReadyClips(spec, batch, steps), None, settings, device=device,
        progress=lambda done, total, row: ends.append(time.perf_counter()),
    )  # fmt: skip
    return statistics.median(batch * steps / (b - a) for a, b in itertools.pairwise(ends))


def features(device: str, batch: int, rounds: int) -> float:
    """Return pictures a second of the bundled backbone."""
    spec = default_spec("frame_mlp", {})
    model: Any = create_model("frame_mlp", 2, spec)
    embedder = create_embedder(model.backbone, spec, device)
    pictures = np.random.default_rng(0).integers(0, 256, (batch, spec.height, spec.width, 3), np.uint8)
    embedder(pictures)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        embedder(pictures)
        seconds.append(time.perf_counter() - began)
    return batch / statistics.median(seconds)


def tests() -> str:
    """Run the tests that need a GPU; return pytest's last line."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "",
        str(ROOT / "tests" / "training" / "test_gpu.py"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    print(found.stdout)
    return (found.stdout.strip().splitlines() or ["pytest did not run"])[-1]


def section(name: str, facts: dict[str, Any], rows: list[tuple[str, float]], tested: str) -> str:
    versions = facts["versions"]
    lines = [
        f"## {name}",
        "",
        f"{facts['cores']} cores ({facts['processor']}), torch {versions['torch']}, {datetime.now(UTC):%Y-%m-%d}. "
        f"Tests that need a GPU: {tested}.",
        "",
        "| job | samples or pictures a second |",
        "| --- | ---: |",
        *(f"| {job} | {rate:.1f} |" for job, rate in rows),
    ]
    return "\n".join(lines) + "\n"


def put(page: Path, name: str, text: str) -> None:
    """Replace the machine's section of the page, or add one."""
    old = page.read_text(encoding="utf-8") if page.exists() else HEAD
    parts = [part for part in re.split(r"(?m)^(?=## )", old) if not part.startswith(f"## {name}\n")]
    page.write_text("\n".join(part.rstrip() + "\n" for part in [*parts, text]), encoding="utf-8")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options.add_argument("--device", default="cuda")
    options.add_argument("--quick", action="store_true", help="a small version, to see that it works")
    asked = options.parse_args()
    try:
        where = torch_device(asked.device)
    except UsageError as error:
        sys.exit(str(error))
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"no GPU ({where.type})"
    facts = machine()
    say_machine(facts)
    print(name)
    batch, steps = (1, 1) if asked.quick else (16, 20)
    rows: list[tuple[str, float]] = []
    for network in NETWORKS:
        for precision in ["32-true"] if asked.quick else ["32-true", "bf16-mixed"]:
            spec = default_spec(network, NETWORKS[network])
            job = f"training {network}, {spec.frames}x{spec.height}x{spec.width}, {batch} a step, {precision}"
            rows.append((job, training(network, precision, asked.device, batch, steps)))
            print(f"{job}: {rows[-1][1]:.1f} samples/s", flush=True)
    pictures = 4 if asked.quick else 64
    job = f"features, bundled backbone, {pictures} a call, float32"
    rows.append((job, features(asked.device, pictures, 2 if asked.quick else 50)))
    print(f"{job}: {rows[-1][1]:.1f} pictures/s", flush=True)
    tested = tests() if where.type == "cuda" else "not run, there is no GPU"
    if asked.write:
        put(PAGE, name, section(name, facts, rows, tested))
        print(f"written: {PAGE}")
    write(asked.json, {"machine": {**facts, "gpu": name}, "rates": dict(rows), "tests": tested})
    if where.type == "cuda" and (" passed" not in tested or " failed" in tested):
        sys.exit("the tests that need a GPU did not pass")


if __name__ == "__main__":
    main()

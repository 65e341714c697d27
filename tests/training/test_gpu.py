"""What only a GPU shows: its numbers beside the CPU's, its precisions, its memory, and one process a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.data import ClipSpec
from kinema.models import create_embedder, create_model, default_spec
from kinema.training import TrainSettings, fit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]
SPEC = ClipSpec(frames=4, height=64, width=64)


class Noise:
    """Batches of uint8 clips of noise, the second class brighter."""

    def __init__(self, count: int = 32, batch: int = 16) -> None:
        generator = torch.Generator().manual_seed(1)
        self.targets = torch.arange(count) % 2
        clips = torch.randint(0, 156, (count, 4, 64, 64, 3), generator=generator)
        self.clips = (clips + 100 * self.targets[:, None, None, None, None]).to(torch.uint8)
        self.batch = batch

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch)

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield from zip(self.clips.split(self.batch), self.targets.split(self.batch), strict=True)

    def set_epoch(self, epoch: int) -> None:
        pass

    def floats(self, inputs: torch.Tensor) -> torch.Tensor:
        return SPEC.clip(inputs)

    def logits(self, model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        return model(inputs)

    def class_weights(self) -> torch.Tensor:
        return torch.ones(2)


def losses(device: str, precision: str = "32-true", **changes: object) -> tuple[list[float], list[str]]:
    torch.manual_seed(0)
    model = create_model("r3d_18", 2, SPEC)
    said: list[str] = []
    wanted = TrainSettings(
        epochs=3, batch_size=16, learning_rate=1e-4, precision=precision, **changes,
    )  # type: ignore[arg-type]  # fmt: skip
    result = fit(model, Noise(), Noise(16), wanted, device=device, say=said.append)
    return result.history["train_loss"].tolist(), said


def test_the_first_epoch_has_the_losses_of_the_cpu() -> None:
    gpu, cpu = losses("cuda")[0], losses("cpu")[0]
    assert gpu[0] == pytest.approx(cpu[0], abs=2e-2)  # TF32 convolutions round to 10 bits


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_learns(precision: str) -> None:
    found, _ = losses("cuda", precision)
    assert found[-1] < found[0]


def test_out_of_memory_divides_a_step() -> None:
    peaks = []
    for parts in (1, 16):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        losses("cuda", accumulate=parts)
        peaks.append(torch.cuda.max_memory_reserved())
    torch.cuda.empty_cache()
    found, said = losses("cuda", memory_limit=sum(peaks) / 2 / 1e9)
    assert len(found) == 3
    assert said and all("a step still learns from 16 clips" in line for line in said)


def test_features_are_those_of_torch_on_the_cpu() -> None:
    spec = default_spec("frame_mlp", {})
    model = create_model("frame_mlp", 2, spec)
    pictures = np.random.default_rng(0).integers(0, 256, (8, spec.height, spec.width, 3), np.uint8)
    features = [create_embedder(model.backbone, spec, word)(pictures) for word in ("cuda", "torch")]  # type: ignore[arg-type]
    assert np.abs(features[0] - features[1]).max() < 2e-2 * np.abs(features[1]).max()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_two_gpus_train_as_one(actions: Path, tmp_path: Path) -> None:
    import pandas as pd

    found = []
    for processes in ("1", "2"):
        run = tmp_path / processes
        command = [
            sys.executable, "-m", "kinema", "train", str(actions), "--model", "lrcn", "--set", "freeze=false", "--set",
            "backbone=test_vit", "--set", "weights=none", "--set", 'head_settings={"dropout": 0}', "--set", "height=160",
            "--set", "width=160", "--set", "frames=2", "--set", "precision=32-true", "--batch-size", "5", "--epochs", "1",
            "--device", "cuda", "--processes", processes, "--run", str(run),
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=250)
        assert json.loads((run / "results.json").read_text())
        found.append(pd.read_csv(run / "fit_history.csv")["train_loss"])
    assert (found[0] - found[1]).abs().max() < 1e-3

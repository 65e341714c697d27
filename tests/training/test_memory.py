"""Memory: measured before the first epoch, a step that does not fit is divided, and learns the same."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema.data import ClipSpec
from kinema.errors import KinemaError
from kinema.models import ClipModel
from kinema.training import TrainSettings, fit
from kinema.training.memory import PeakMemory, available_bytes, parts_that_fit, resident_bytes

SPEC = ClipSpec(frames=4, fps=5, height=64, width=64)
MB = 1_000_000


def alone(test: Callable[[], None]) -> Callable[[pytest.FixtureRequest], None]:
    """Run a test in a process of its own: what earlier ones free meanwhile would be measured as well."""

    @wraps(test, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    def run(request: pytest.FixtureRequest) -> None:
        if os.environ.get("KINEMA_TEST_ALONE"):
            test()
            return
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", request.node.nodeid],
            cwd=request.config.rootpath, env={**env, "KINEMA_TEST_ALONE": "1"}, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "1 passed" in done.stdout or done.stdout.startswith(".")

    del run.__wrapped__  # pytest would ask it for the arguments
    return run


class Hungry(ClipModel):
    """A network that keeps some 25 MB of activations for each clip."""

    def __init__(self) -> None:
        super().__init__(2, frames=4)
        self.features = nn.Sequential(
            nn.Conv3d(3, 64, 1), nn.Tanh(), nn.Conv3d(64, 64, 1), nn.Tanh(), nn.Conv3d(64, 64, 1), nn.Tanh()
        )
        self.fc = nn.Linear(64, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(self.features(clips).mean((2, 3, 4)))


class Noise:
    """Batches of uint8 clips of noise."""

    def __init__(self, count: int, batch: int) -> None:
        generator = torch.Generator().manual_seed(1)
        self.clips = torch.randint(0, 256, (count, 4, 64, 64, 3), dtype=torch.uint8, generator=generator)
        self.targets = torch.randint(0, 2, (count,), generator=generator)
        self.batch = batch

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch)

    def __iter__(self) -> Any:
        yield from zip(self.clips.split(self.batch), self.targets.split(self.batch), strict=True)

    def set_epoch(self, epoch: int) -> None:
        pass

    def floats(self, inputs: Tensor) -> Tensor:
        return SPEC.clip(inputs)

    def logits(self, model: Any, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return torch.ones(2)


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings.from_dict({"epochs": 2, "batch_size": 16, "learning_rate": 0.01, **changes})


def occupy(size: int) -> mmap.mmap:
    """Return `size` bytes that the process did not have before: an allocator may hand out again what was freed."""
    pages = mmap.mmap(-1, size)
    np.frombuffer(pages, np.uint8)[:] = 1
    return pages


@pytest.mark.skipif(resident_bytes() == 0, reason="this system does not tell a process's memory")
def test_the_peak_is_measured_even_when_it_is_over() -> None:
    before = resident_bytes()
    with PeakMemory() as peak:
        held = occupy(50 * MB)
        time.sleep(0.3)  # as long as a step takes on a machine with other work
        held.close()
    assert 45 * MB < peak.highest - before < 90 * MB


@pytest.mark.skipif(resident_bytes() == 0, reason="this system does not tell a process's memory")
@pytest.mark.slow
def test_parts_follow_from_what_steps_take() -> None:
    tried: list[int] = []

    def step(clips: int) -> None:
        tried.append(clips)
        held = occupy(clips * 20 * MB)
        time.sleep(0.3)
        held.close()

    # 20 MB a clip and 200 MB at hand, a tenth of which is left to others: 8 clips fit, 16 are not even tried.
    assert parts_that_fit(step, 32, 1, 200 * MB, 0) == 4
    assert tried == [1, 2, 4, 8]
    assert (
        parts_that_fit(step, 32, 1, 200 * MB, 110 * MB) == 16
    )  # 70 MB besides what the optimiser keeps: 2 clips
    assert parts_that_fit(step, 32, 1, 2_000 * MB, 0) == 1
    assert parts_that_fit(step, 32, 8, 2_000 * MB, 0) == 8  # more parts than needed were asked for
    assert parts_that_fit(step, 3, 1, 1, 0) == 3  # one clip at a time is the least


@pytest.mark.skipif(resident_bytes() == 0, reason="this system does not tell a process's memory")
@alone
def test_a_small_limit_divides_the_step_and_learns_the_same() -> None:
    said: list[str] = []
    torch.manual_seed(0)
    free = fit(Hungry(), Noise(16, 16), Noise(4, 4), settings(), device="cpu", measure=True, say=said.append)
    assert said == []  # the machine has enough
    limit = (resident_bytes() + 250 * MB) / 1e9
    torch.manual_seed(0)
    tight = fit(
        Hungry(),
        Noise(16, 16),
        Noise(4, 4),
        settings(memory_limit=limit),
        device="cpu",
        measure=True,
        say=said.append,
    )
    (line,) = said
    assert "does not fit" in line and "(measured)" in line and "a step still learns from 16 clips" in line
    assert int(line.split(" parts a step")[0].split()[-1]) in (2, 4, 8)
    for name in ("train_loss", "valid_loss"):
        assert tight.history[name].to_numpy() == pytest.approx(free.history[name].to_numpy(), abs=1e-5)
    assert (tight.history["learning_rate"] == free.history["learning_rate"]).all()  # as many steps as before


class Failing(Hungry):
    """A network for which more than `most` clips are too many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.drop = nn.Dropout(0.5)
        self.sizes: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        if self.training and len(clips) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.sizes.append(len(clips))
        return super().forward(clips)


def test_out_of_memory_halves_the_batch_keeps_the_step_and_says_so() -> None:
    said: list[str] = []
    torch.manual_seed(0)
    model = Failing(5)
    found = fit(model, Noise(32, 16), None, settings(epochs=1), device="cpu", say=said.append)
    assert [line.split(";")[0] for line in said] == [
        "out of memory: 8 clips at a time from now on, 2 parts a step",
        "out of memory: 4 clips at a time from now on, 4 parts a step",
    ]
    assert model.sizes == [4] * 8
    torch.manual_seed(0)
    wanted = settings(epochs=1, accumulate=4)
    same = fit(Failing(5), Noise(32, 16), None, wanted, device="cpu").history
    assert found.history.equals(same)  # as if it had been told so from the beginning


def test_one_clip_that_is_too_much_is_one_line() -> None:
    with pytest.raises(
        KinemaError, match=r"not enough memory for a step of one clip: .*checkpoint_activations=true"
    ):
        fit(Failing(0), Noise(4, 4), None, settings(batch_size=4), device="cpu")


def test_other_errors_are_not_taken_for_memory() -> None:
    class Broken(Hungry):
        def forward(self, clips: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fit(Broken(), Noise(4, 4), None, settings(), device="cpu")


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal: 8000000 kB\nMemFree: 100 kB\nMemAvailable: 2000000 kB\n"


def test_what_a_container_may_still_take_by_hand(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", proc__meminfo=MEMINFO)
    assert available_bytes(root=plain) == 2_000_000 * 1024
    second = write(tmp_path / "v2", proc__meminfo=MEMINFO, proc__self__cgroup="0::/user/job\n")
    group = second / "sys/fs/cgroup/user/job"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1000000000\n")
    (group / "memory.current").write_text("700000000\n")
    (group / "memory.stat").write_text("anon 500000000\ninactive_file 150000000\n")
    assert available_bytes(root=second) == 450_000_000  # 1000 - 700 + 150 of file cache that can be dropped
    (group / "memory.max").write_text("max\n")
    assert available_bytes(root=second) == 2_000_000 * 1024
    (group.parent / "memory.max").write_text("300000000\n")  # the group above counts too
    (group.parent / "memory.current").write_text("200000000\n")
    (group.parent / "memory.stat").write_text("inactive_file 0\n")
    assert available_bytes(root=second) == 100_000_000
    first = write(tmp_path / "v1", proc__meminfo=MEMINFO, proc__self__cgroup="4:memory:/box/1\n2:cpuacct:/\n")
    group = first / "sys/fs/cgroup/memory"
    group.mkdir(parents=True)  # in a container its own group is mounted at the top
    (group / "memory.limit_in_bytes").write_text("500000000\n")
    (group / "memory.usage_in_bytes").write_text("400000000\n")
    (group / "memory.stat").write_text("total_inactive_file 50000000\n")
    assert available_bytes(root=first) == 150_000_000


def test_a_limit_counts_what_the_process_has_already(tmp_path: Path) -> None:
    root = write(tmp_path, proc__meminfo=MEMINFO)
    found = available_bytes(resident_bytes() / 1e9 + 0.1, root)
    assert found is not None and 50 * MB < found < 150 * MB
    assert available_bytes(1e-6, root) == 0
    assert available_bytes(root=tmp_path / "nothing") is None

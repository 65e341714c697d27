"""Several processes train as one: the same losses, no clip twice or never, one line when something fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.data import ClipSpec, Segment
from kinema.data.transforms import ClipAugmentation
from kinema.errors import UsageError
from kinema.models import torch_device
from kinema.training import TrainSettings, batches
from kinema.training.distributed import Team, joined
from kinema.training.memory import available_bytes
from kinema.training.mixing import mix_of_step

# What each process runs: `CASES` by name, with the numbers of every step of the first process as JSON.
SCRIPT = """
import json, sys
import torch
torch.set_num_threads(1)
from torch import nn
from kinema.errors import KinemaError
from kinema.models import VideoModel
from kinema.training import TrainSettings, fit, module
from kinema.training.distributed import AllStopError, joined

class Net(VideoModel):
    sick = None
    def __init__(self):
        super().__init__(3)
        self.backbone = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)), nn.Linear(8, 8))
        self.classifier = nn.Linear(8, 3)
        self.largest = 0
    def forward(self, clips):
        self.largest = max(self.largest, len(clips) if self.training else 0)
        if self.sick is not None:
            self.sick(clips)
        return self.classifier(torch.tanh(self.backbone(clips)))

class Points:
    def __init__(self, count, batch, seed):
        generator = torch.Generator().manual_seed(seed)
        self.points = torch.randn(count, 6, generator=generator)
        self.labels = torch.bucketize(self.points[:, 0], torch.tensor([-1.0, 0.5]))
        self.batch = batch
    def __len__(self):
        return -(-len(self.points) // self.batch)
    def __iter__(self):
        yield from zip(self.points.split(self.batch), self.labels.split(self.batch), strict=True)
    def set_epoch(self, epoch):
        pass
    def logits(self, model, inputs):
        return model(inputs)
    def class_weights(self):
        counts = torch.bincount(self.labels, minlength=3).float()
        return counts.sum() / counts / 3

def run(name, changes, team):
    steps, said = [], []
    count = module.Round._count
    def record(self, part, loss, right, clips):
        if part == 0:
            steps.append(loss / clips)
        count(self, part, loss, right, clips)
    module.Round._count = record
    torch.manual_seed(3)
    net = Net()
    if name == "memory" and team.rank == team.size - 1:
        def sick(clips):
            if len(clips) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
        net.sick = sick
    if name == "no number" and team.rank == team.size - 1:
        calls = []
        def sick(clips):
            calls.append(1)
            if len(calls) == 3:
                clips *= float("nan")
        net.sick = sick
    settings = TrainSettings(**{"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "warmup": 0.0, **changes})
    try:
        # 27 points in batches of 8: the last has three; 9 to check in batches of 4: the last has one.
        found = fit(net, Points(27, 8, 0), Points(9, 4, 1), settings, device="cpu", team=team, say=said.append)
        history, problem = found.history.drop(columns="epoch").values.tolist(), found.problem
    except AllStopError as error:
        history, problem = [], str(error)
    finally:
        module.Round._count = count
    weights = torch.cat([p.detach().flatten() for p in net.parameters()])
    everyone = team.heard(weights.tolist())
    return {
        "steps": steps, "history": history, "problem": problem, "said": said, "weights": everyone[0],
        "same": all(other == everyone[0] for other in everyone), "largest": team.heard(net.largest),
    }

if __name__ == "__main__":
    with joined("cpu") as team:
        found = {name: run(name, changes, team) for name, changes in json.loads(sys.argv[1]).items()}
        if team.leads:
            print(json.dumps(found))
"""
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "unweighted": {"class_weights": "none", "label_smoothing": 0.0},
    "parts": {"accumulate": 3},
    "average": {"ema": 0.9},
    "mixed": {"mixup": 0.4},
    "rounds": {"stages": "head,2,all", "layer_decay": 0.5, "patience": 3},
    "bf16": {"precision": "bf16-mixed"},
}


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    return {
        **os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size),
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def trained(size: int, cases: dict[str, Any], script: Path) -> dict[str, Any]:
    """Run the cases with `size` processes that know of each other as those of torchrun do."""
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    port = free_port()
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), json.dumps(cases)],
            env=environment(rank, size, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(size)
    ]  # fmt: skip
    try:
        ended = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, ended, strict=True):
        assert process.returncode == 0, errors[-2000:]
    assert all(printed == "" for printed, _ in ended[1:])
    found: dict[str, Any] = json.loads(ended[0][0])
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return trained(1, CASES, tmp_path_factory.mktemp("alone") / "script.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [2, 4]
)  # of the last batch of three clips, four processes leave one without any
def test_losses_are_those_of_one_process(size: int, alone: dict[str, Any], tmp_path: Path) -> None:
    """The global batch is the same, so every step is: class weights, unequal last batches, parts, EMA, mixing, rounds."""
    together = trained(size, CASES, tmp_path / "script.py")
    for name, expected in alone.items():
        found = together[name]
        exact = 1e-5 if name != "bf16" else 3e-3  # bf16 has 8 bits: sums of shares are rounded elsewhere
        assert len(found["steps"]) == len(expected["steps"]) >= 16, name
        np.testing.assert_allclose(found["steps"], expected["steps"], rtol=0, atol=exact, err_msg=name)
        np.testing.assert_allclose(found["history"], expected["history"], rtol=0, atol=exact, err_msg=name)
        assert found["same"], name  # the weights of all processes, to the last bit
        assert max(found["largest"]) <= -(-8 // size), name  # no process computed more than its share


@pytest.mark.slow
def test_one_process_out_of_memory_divides_the_parts_of_all(alone: dict[str, Any], tmp_path: Path) -> None:
    found = trained(2, {"memory": {}}, tmp_path / "script.py")["memory"]
    np.testing.assert_allclose(found["steps"], alone["plain"]["steps"], rtol=0, atol=1e-5)
    assert found["said"] == [
        "out of memory: 2 clips at a time from now on, 2 parts a step; a step still learns from 8 clips"
    ]
    assert found["same"]


@pytest.mark.slow
def test_a_loss_that_is_no_number_in_one_process_stops_all(tmp_path: Path) -> None:
    found = trained(2, {"no number": {}}, tmp_path / "script.py")["no number"]
    assert found["problem"] == "batch 3 of 4: the loss is no longer a number in epoch 1: lower learning_rate"
    assert len(found["steps"]) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("items", [1, 2, 3, 5, 8, 13])
def test_shares_divide_a_batch(items: int, size: int) -> None:
    shares = [list(Team(rank, size).share(items)) for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(items))
    assert len(shares[0]) == -(-items // size)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("clips", "size"), [(10, 3), (7, 2), (5, 4), (9, 4)])
def test_clips_of_all_processes_are_those_of_one(
    clips: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two windows of each clip an epoch, in batches of four: none twice, none never, in the order of one process."""

    def numbered(segment: Segment, spec: ClipSpec, rng: np.random.Generator | None) -> np.ndarray:
        return np.full((1, 2, 2, 3), segment.row, np.uint8)

    monkeypatch.setattr(batches, "draw_clip", numbered)
    segments = [Segment(Path("v"), None, None, "a", "train", None, row, "v") for row in range(clips)]
    wanted = TrainSettings(batch_size=4, windows=2, seed=5)
    still = ClipAugmentation(
        scale=1.0, ratio=1.0, flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0
    )

    def passes(team: Team) -> Iterator[tuple[list[int], list[int]]]:
        made = batches.ClipBatches(
            segments, [row % 3 for row in range(clips)], 3, ClipSpec(frames=1, height=2, width=2), wanted,
            augmentation=still, workers=2, team=team,
        )  # fmt: skip
        for epoch in (0, 1):
            made.set_epoch(epoch)
            yield from ((inputs[:, 0, 0, 0, 0].tolist(), targets.tolist()) for inputs, targets in made)

    one = list(passes(Team()))
    teams = [list(passes(Team(rank, size))) for rank in range(size)]
    for number, (rows, targets) in enumerate(one):
        assert [row for team in teams for row in team[number][0]] == rows
        assert all(team[number][1] == targets == [row % 3 for row in rows] for team in teams)
    half = len(one) // 2
    for epoch in (one[:half], one[half:]):
        seen = sorted(row for rows, _ in epoch for row in rows)
        assert seen == sorted([*range(clips), *range(clips)])


def test_mixing_depends_on_the_step_alone() -> None:
    wanted = TrainSettings(mixup=0.4, cutmix=1.0, seed=2)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = mix_of_step(8, wanted, 1, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, other = mix_of_step(8, wanted, 1, 5), mix_of_step(8, wanted, 1, 6)
    assert first is not None and again is not None and other is not None
    assert torch.equal(first.order, again.order) and first.share == again.share
    assert first.share != other.share


def test_processes_share_the_memory_of_their_machine(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    assert available_bytes(root=tmp_path) == 8000 * 1024
    assert available_bytes(root=tmp_path, processes=4) == 2000 * 1024


def test_devices_by_word() -> None:
    assert torch_device("cpu") == torch_device("torch") == torch.device("cpu")
    with pytest.raises(UsageError, match=r"--device gpu: no such device; give auto, cpu, torch"):
        torch_device("gpu")
    with pytest.raises(UsageError, match="--device cuda:x: no such device"):
        torch_device("cuda:x")


def test_auto_takes_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"cuda": True, "mps": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["cuda"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    assert torch_device("auto") == torch.device("cuda")
    assert torch_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="--device cuda:2: there are 2 CUDA GPUs, numbered from 0"):
        torch_device("cuda:2")
    there["cuda"] = False
    assert torch_device("auto") == torch_device("mps") == torch.device("mps")
    with pytest.raises(UsageError, match="--device cuda: torch finds no CUDA GPU here"):
        torch_device("cuda")
    there["mps"] = False
    assert torch_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device mps: torch finds no Apple GPU here"):
        torch_device("mps")


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in environment(0, 2, 1).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="2 processes for 1 GPUs"), joined("auto"):
        pass


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="WORLD_SIZE is set and RANK is not"), joined("cpu"):
        pass


def test_alone_nothing_is_exchanged() -> None:
    with joined("cpu") as team:
        assert team == Team() and team.leads and team.machines == 1
        assert team.told("x") == "x" and team.heard(3) == [3] and team.sums([1.5, 2.0]) == [1.5, 2.0]
        inputs: Tensor = torch.arange(3)
        assert team.whole(inputs) is inputs

"""Settings with which a trial takes a moment, and a process of its own that searches."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.data import Manifest, read_data, split_by_group

pytest.importorskip("optuna", reason="the tune extra is not installed")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """A tiny network of timm with random weights: what is tested is the search, not the backbone."""
    return {
        "backbone": "test_resnet", "weights": "none", "size": 48, "frames": 4, "fps": 5, "flip": False, "epochs": 2,
    }  # fmt: skip


@pytest.fixture(scope="session")
def split(two_actions: Path) -> Manifest:
    """The two actions with splits by subject."""
    return split_by_group(read_data(two_actions))


_SEARCH = """
import json, signal, sys, torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
torch.set_num_threads(1)
from kinema.tuning import Space, storage, tune
if __name__ == "__main__":
    data, run, space, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
    storage._HEARTBEAT = options.pop("heartbeat", storage._HEARTBEAT)
    tune(data, Space.of(space, grid=True), grid=True, run=run, device="torch",
         told=lambda done, total, best: print(done, flush=True), **options)
"""

Searching = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def searching() -> Searching:
    """`searching(data, run, space, **options)` starts a process that tries a grid and prints how many trials are done."""

    def start(data: Path, run: Path, space: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _SEARCH, str(data), str(run), json.dumps(space), json.dumps(options)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start

"""Finished runs on synthetic actions, and sites that show them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CLIP: dict[str, Any] = {"frames": 4, "fps": 5, "height": 48, "width": 48}
BACKBONE: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}


@pytest.fixture(scope="session")
def runs_folder(two_actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs on synthetic actions, `moves` and `moves-long`, of the library's own making."""
    from kinema.training import train

    folder = tmp_path_factory.mktemp("trained") / "runs"
    for name, epochs in (("moves", 3), ("moves-long", 6)):
        settings = {"epochs": epochs, "flip": False}
        train(two_actions, run=str(folder / name), clip=CLIP, settings=settings, device="torch", **BACKBONE)
    return folder


@pytest.fixture
def runs(runs_folder: Path, client: Any) -> Iterator[Any]:
    """Django's client of a site that shows `runs_folder`."""
    from django.conf import settings

    before = settings.KINEMA_RUNS
    settings.KINEMA_RUNS = [runs_folder]
    yield client
    settings.KINEMA_RUNS = before


@pytest.fixture
def key(runs_folder: Path, runs: Any) -> str:
    """The key of the run `moves`."""
    from kinema.web.recognizers import key_of

    return key_of(runs_folder / "moves")


@pytest.fixture(scope="session")
def runs_site(
    start_site: Callable[..., Any],
    runs_folder: Path,
    two_actions: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A site in a process of its own that shows `runs_folder`, and may learn from a manifest of the synthetic actions."""
    from kinema.data import read_data

    folder = tmp_path_factory.mktemp("data") / "two-actions"
    shutil.copytree(two_actions, folder)
    read_data(folder).write(folder / "manifest.csv")
    env = {"KINEMA_DATA": str(folder), "OMP_NUM_THREADS": "1"}
    return start_site("--runs", str(runs_folder), env=env)

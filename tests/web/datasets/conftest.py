"""Synthetic labelled clips, in a folder that the site of this process may read, and as a manifest of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.video import VideoWriter


class _Quiet:
    """Progress that nobody looks at."""

    def __call__(self, done: float, total: float, message: str = "") -> None: ...

    def check(self) -> None: ...


@pytest.fixture
def quiet() -> Any:
    """What a job tells its progress, here nobody."""
    return _Quiet()


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """`film(path, seed, frames=20)` writes a synthetic clip: a bright square that walks over a random background; H.264 in
    mp4, 10 fps."""

    def write(path: Path, seed: int, frames: int = 20, noise: int = 6) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        ground = random.integers(30, 120, (48, 64, 3), dtype=np.uint8)
        steps = random.integers(-9, 10, (frames, 2)).cumsum(axis=0)
        with VideoWriter(path, 10.0) as out:
            for step in steps:
                image = ground + random.integers(0, noise, ground.shape, dtype=np.uint8)
                x, y = int(step[0]) % 52, int(step[1]) % 36
                image[y : y + 12, x : x + 12] = 240
                out.write(image)
        return path

    return write


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory, film: Callable[..., Path]) -> Path:
    """Synthetic class folders: two classes of three people with two clips each, and a file that is no video."""
    folder = tmp_path_factory.mktemp("made-up") / "actions"
    for number, name in enumerate(("jump", "wave")):
        for person in range(1, 4):
            for take in (1, 2):
                film(
                    folder / name / f"person{person:02}_{name}_{take}.mp4", 100 * number + 10 * person + take
                )
    (folder / "wave" / "person04_wave_1.mp4").write_bytes(b"not a video at all")
    return folder


@pytest.fixture
def root(client: Any, made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data that the site may read, with a copy of the synthetic clips."""
    home = tmp_path / "data"
    shutil.copytree(made_up, home / "actions")
    monkeypatch.setenv("KINEMA_DATA", str(home))
    return home


@pytest.fixture
def child() -> Callable[[Any, str], Any]:
    """`child(place, name)` is the folder or list of that name in a place."""

    def of(here: Any, name: str) -> Any:
        from kinema.web.datasets import roots

        found = roots.inside(here)
        return next(one for one in (*found.folders, *found.lists) if one.name == name)

    return of


@pytest.fixture
def imported(root: Path, child: Callable[[Any, str], Any], quiet: Any) -> Any:
    """The synthetic clips as a manifest of the site."""
    from kinema.web.datasets import catalogue, roots, tasks

    keys = child(roots.root_places()[0], "actions").keys
    tasks.import_data({"keys": keys, "title": "Made up", "token": "0123456789", "by": "local"}, quiet)
    return next(one for one in catalogue.made_here() if one.path.stem.endswith("0123456789"))


@pytest.fixture
def many(root: Path) -> Any:
    """10,000 rows over the synthetic clips, in stretches."""
    from kinema.web.datasets import catalogue

    names = [
        f"actions/{name}/person0{person}_{name}_1.mp4" for name in ("jump", "wave") for person in (1, 2, 3)
    ]
    rows = [
        f"{names[i % 6]},{i / 10000:.4f},{i / 10000 + 1:.4f},{'jump' if i % 6 < 3 else 'wave'},"
        f"{('train', 'test')[i % 2]},g{i % 40}"
        for i in range(10_000)
    ]
    (root / "manifest.csv").write_text("video,start,end,label,split,group\n" + "\n".join(rows) + "\n")
    return catalogue.in_folders()[0]


@pytest.fixture
def split_it(client: Any, quiet: Any) -> Callable[..., str]:
    """`split_it(entry, token, **settings)` splits a manifest and returns the page of what came of it."""
    from kinema.web.datasets import tasks

    def split(one: Any, token: str, **settings: Any) -> str:
        tasks.split_data(
            {"key": one.key, "title": "Split", "token": token, "settings": settings, "by": "local"}, quiet
        )
        page: str = client.get(f"/datasets/outcome/{token}/").content.decode()
        return page

    return split


@pytest.fixture(autouse=True)
def _empty_site(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that look at pages begin with a site without data, whatever ran before in it, and leave one."""
    if "client" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("client")
    _empty()
    yield
    _empty()


def _empty() -> None:
    from kinema.web.folder import site

    for name in ("manifests", "outcomes", "checks", "explored", "uploaded", "uploads", "thumbnails"):
        shutil.rmtree(site().root / name, ignore_errors=True)

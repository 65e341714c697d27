"""Writes are whole or absent, on a full disk too; torchvision imports beside a torch it was not built for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinema.errors import KinemaError
from kinema.files import atomic_path, content_hash, write_json, write_text


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights that this user lacks")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tiny_disk: Path) -> None:
    target = tiny_disk / "table.csv"
    write_text(target, "old")
    with pytest.raises(KinemaError, match=r"table.csv: cannot be written: No space left on device"):
        write_text(target, "x" * 1_000_000)
    assert target.read_text() == "old"
    assert [path.name for path in tiny_disk.iterdir()] == ["table.csv"]


def test_a_video_on_a_full_disk_leaves_nothing_behind(tiny_disk: Path) -> None:
    import numpy as np

    from kinema.video import VideoWriter

    noise = np.random.default_rng(0)
    with pytest.raises(KinemaError), VideoWriter(tiny_disk / "v.mp4", 25) as writer:
        for _ in range(60):
            writer.write(noise.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    assert list(tiny_disk.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(target, {"a": float("nan")})
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == '{\n  "a": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


def test_content_names_bytes_not_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"abc")
    # SHA-256 of "abc", FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b") == digest


@pytest.mark.slow
def test_torchvision_timm_and_lightning_import_in_any_order() -> None:
    code = "import kinema.torch_setup, torchvision.transforms.v2, timm, lightning.pytorch, torchmetrics"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)

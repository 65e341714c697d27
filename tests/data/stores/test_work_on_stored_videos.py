"""Checking, features and training of stored videos: the same as of the files, each fetched once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinema.data import Manifest, check
from kinema.data.stores import addressed, upload
from kinema.video import VideoWriter
from kinema.video.store_errors import DiskError, UnreachableError


def test_check_of_stored_videos_says_what_it_says_of_the_files(
    videos: Manifest, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # less than one video: each goes when it was read
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000001")
    upload(videos, "s3://films/set")
    remote = addressed(videos, "s3://films/set")
    table = remote.table.copy()
    table.loc[len(table)] = {"video": "s3://films/set/gone.mp4", "label": "run"}
    s3.put_object(Bucket="films", Key="set/empty.mp4", Body=b"")
    table.loc[len(table)] = {"video": "s3://films/set/empty.mp4", "label": "run"}
    found = check(Manifest(table), workers=2)
    assert [(o.frames, o.status) for o in found.outcomes[:4]] == [
        (4, "good"),
        (10, "good"),
        (8, "good"),
        (6, "good"),
    ]
    kinds = [(o.findings[0].kind, o.findings[0].reason) for o in found.outcomes[4:]]
    assert kinds[0] == ("missing", "no such object; check the name")
    assert kinds[1][0] in ("unreadable", "empty")
    left = [p for p in (tmp_path / "cache" / "videos" / "s3").rglob("*.mp4") if p.stat().st_size]
    assert left == []


def test_a_store_that_fails_is_not_blamed_on_the_videos(
    videos: Manifest, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = addressed(videos, "s3://films/set")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be reached; check the network and the endpoint"):
        check(remote, workers=1)


def test_a_full_disk_is_not_blamed_on_the_videos(
    videos: Manifest, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(videos, "s3://films/set")
    monkeypatch.setattr("kinema.video.copies.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(
        DiskError, match=r"the disk is too full for 0\.0 MB more; free some space or set KINEMA_CACHE"
    ):
        check(addressed(videos, "s3://films/set"), workers=1)


def moving_squares(root: Path) -> Manifest:
    """Eight synthetic videos: a square that moves left or right, by four subjects in three splits."""
    rows: dict[str, list[str]] = {"video": [], "label": [], "split": [], "group": []}
    for subject, split in enumerate(("train", "train", "valid", "test")):
        for label in ("left", "right"):
            name = f"{label}/p{subject}.mp4"
            with VideoWriter(_parent(root / name), 10) as out:
                for index in range(8):
                    picture = np.full((48, 48, 3), 20 * subject, np.uint8)
                    column = 4 * index if label == "right" else 40 - 4 * index
                    picture[16:32, column : column + 8] = 250
                    out.write(picture)
            for column_name, value in zip(rows, (name, label, split, f"p{subject}"), strict=True):
                rows[column_name].append(value)
    return Manifest(rows, root)


def limit_to(videos: float, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = max(path.stat().st_size for path in root.rglob("*.mp4"))
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", f"{videos * size / 1e9:.9f}")


def test_features_of_stored_videos_are_those_of_the_files_and_are_computed_once(
    s3: Any, tmp_path: Path, s3_calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from kinema.data.clipspec import ClipSpec
    from kinema.models import FrameBackbone, create_embedder
    from kinema.training import FeatureCache

    torch.set_num_threads(1)
    local = moving_squares(tmp_path / "set")
    upload(local, "s3://films/set")
    remote = addressed(local, "s3://films/set")
    limit_to(2.5, tmp_path / "set", monkeypatch)
    spec = ClipSpec(frames=4, fps=5, height=48, width=48)
    backbone = FrameBackbone("test_resnet", "none").requires_grad_(False).eval()
    embedder = create_embedder(backbone, spec, "torch")

    def extract(manifest: Manifest) -> Any:
        return FeatureCache(backbone, spec, embedder).extract(manifest.segments())

    s3_calls.clear()
    first = extract(remote)
    assert (first.computed, first.problems) == (8, [])
    assert s3_calls.keys("get_object", suffix=".mp4") == sorted(
        f"set/{name}" for name in local.table["video"]
    )
    copies = list((tmp_path / "cache" / "videos" / "s3" / "films").rglob("*.mp4"))
    assert 1 <= len(copies) <= 2
    # The hashes that the upload noted name the features, for the store and for the files alike.
    monkeypatch.setenv("AWS_KINEMA_TEST", "as in another process")
    s3_calls.clear()
    assert (extract(remote).computed, extract(local).computed) == (0, 0)
    assert s3_calls.keys("get_object", "put_object", suffix=".mp4") == []
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "other-cache"))
    for one, other in zip(first.readable(), extract(local).readable(), strict=True):
        assert np.array_equal(one.features, other.features)


def test_extraction_lists_what_is_missing_and_stops_when_the_store_fails(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.data.clipspec import ClipSpec
    from kinema.models import FrameBackbone, create_embedder
    from kinema.training import FeatureCache

    local = moving_squares(tmp_path / "set")
    upload(local, "s3://films/set")
    s3.delete_object(Bucket="films", Key="set/left/p0.mp4")
    segments = addressed(local, "s3://films/set").segments()
    spec = ClipSpec(frames=4, fps=5, height=48, width=48)
    backbone = FrameBackbone("test_resnet", "none").requires_grad_(False).eval()
    cache = FeatureCache(backbone, spec, create_embedder(backbone, spec, "torch"))
    assert cache.extract(segments[:3]).problems == [
        "s3://films/set/left/p0.mp4: no such object; check the name"
    ]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError):
        cache.extract(segments)


@pytest.mark.slow
def test_training_from_a_store_gives_the_run_that_the_files_give(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from kinema.training import train

    torch.set_num_threads(1)
    local = moving_squares(tmp_path / "set")
    upload(local, "s3://films/set")
    limit_to(3.5, tmp_path / "set", monkeypatch)
    quick: dict[str, Any] = {
        "clip": {"frames": 4, "fps": 5, "height": 48, "width": 48},
        "settings": {"epochs": 2, "flip": False}, "device": "torch", "backbone": "test_resnet", "weights": "none",
    }  # fmt: skip
    first = train(addressed(local, "s3://films/set"), run=str(tmp_path / "remote"), **quick)
    copies = list((tmp_path / "cache" / "videos" / "s3" / "films").rglob("*.mp4"))
    assert 1 <= len(copies) <= 3
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "other-cache"))
    second = train(local, run=str(tmp_path / "local"), **quick)
    tables = [(run.folder / "frame_predictions.csv").read_text() for run in (first, second)]
    assert tables[0].replace("s3://films/set/", "") == tables[1]


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

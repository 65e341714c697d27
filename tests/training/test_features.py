"""The feature cache: nothing is computed twice, everything that matters is in the key, kills do no harm."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.data import Segment
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError
from kinema.models import FrameBackbone, create_embedder
from kinema.training import Extraction, FeatureCache
from kinema.video import VideoWriter

SPEC = ClipSpec(frames=5, fps=5, height=48, width=48)


def segment(path: Path, start: float | None = None, end: float | None = None) -> Segment:
    return Segment(path, start, end, "a", "train", "g", 0, path.name)


def backbone_of(seed: int = 0) -> FrameBackbone:
    torch.manual_seed(seed)
    backbone = FrameBackbone("test_resnet", "none")
    return backbone.requires_grad_(False).eval()


def cache_of(spec: ClipSpec = SPEC, seed: int = 0) -> FeatureCache:
    backbone = backbone_of(seed)
    return FeatureCache(backbone, spec, create_embedder(backbone, spec, "torch"))


def extract(*segments: Segment, spec: ClipSpec = SPEC, seed: int = 0, mirrored: bool = False) -> Extraction:
    return cache_of(spec, seed).extract(segments, mirrored=mirrored)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def video(actions: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(actions / "move10" / "person01_move10.mp4", tmp_path / "video.mp4"))


def test_the_second_extraction_computes_nothing(actions: Path) -> None:
    segments = [segment(path) for path in sorted((actions / "still").iterdir())]
    first, second = extract(*segments), extract(*segments)
    assert (first.computed, second.computed) == (6, 0)
    for one, other in zip(first.readable(), second.readable(), strict=True):
        assert np.array_equal(one.features, other.features)
        assert other.times.tolist() == pytest.approx([k / 5 for k in range(10)], abs=1e-6)
        assert other.frame_indices.tolist() == list(range(20))
        assert other.frame_times.tolist() == pytest.approx([k / 10 for k in range(20)], abs=1e-6)


def test_features_are_those_of_the_embedder(video: Path) -> None:
    from kinema.video import open_source

    (track,) = extract(segment(video)).readable()
    backbone = backbone_of()
    embedder = create_embedder(backbone, SPEC, "torch")
    with open_source(video) as source:
        pictures = np.stack([picture.image for picture in SPEC.pictures(source)])
    assert np.abs(track.features - embedder(pictures)).max() < 2e-3 * np.abs(track.features).max()
    (mirrored,) = extract(segment(video), mirrored=True).readable()
    flipped = embedder(np.ascontiguousarray(pictures[:, :, ::-1]))
    assert np.abs(mirrored.features - flipped).max() < 2e-3 * np.abs(flipped).max()


def test_a_renamed_file_or_another_window_is_found_again(video: Path, tmp_path: Path) -> None:
    assert extract(segment(video)).computed == 1
    (tmp_path / "elsewhere").mkdir()
    moved = video.rename(tmp_path / "elsewhere" / "another name.mp4")
    assert extract(segment(moved)).computed == 0
    assert extract(segment(moved), spec=replace(SPEC, frames=31)).computed == 0
    assert extract(replace(segment(moved), label="b", split="test")).computed == 0


def test_whatever_features_depend_on_is_in_the_key(video: Path) -> None:
    assert extract(segment(video)).computed == 1
    for name, value in (
        ("fps", 4),
        ("height", 64),
        ("resize", "pad"),
        ("colour", "gray"),
        ("mean", (0.4, 0.5, 0.5)),
    ):
        assert extract(segment(video), spec=replace(SPEC, **{name: value})).computed == 1, name
    assert extract(segment(video), seed=1).computed == 1  # other weights
    assert extract(segment(video, 0.5)).computed == 1
    assert extract(segment(video, 0.5, 1.5)).computed == 1
    assert extract(segment(video), mirrored=True).computed == 1
    assert extract(segment(video)).computed == 0
    data = bytearray(video.read_bytes())
    video.write_bytes(bytes(data) + b"\0" * 64)  # other content under the same name
    assert extract(segment(video)).computed == 1


def test_unreadable_videos_are_listed_each_with_its_name(video: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    bad = [segment(text), segment(tmp_path / "empty.mp4"), segment(tmp_path / "missing.mp4")]
    found = extract(bad[0], segment(video), *bad[1:], segment(video, 50, 60))
    assert [track is not None for track in found.tracks] == [False, True, False, False, False]
    assert found.computed == 1
    assert len(found.problems) == 4
    for name in ("text.mp4", "empty.mp4", "missing.mp4"):
        assert sum(name in line for line in found.problems) == 1
    assert any("video.mp4" in line and "50" in line for line in found.problems)
    again = extract(bad[0], segment(video))
    assert (again.computed, len(again.problems)) == (0, 1)


@pytest.mark.parametrize("suffix", [".npy", ".times.npy", ".frames.npy"])
@pytest.mark.parametrize("kept", [0, 0.7])
def test_a_truncated_entry_is_a_clear_error(
    video: Path, cache_folder: Path, suffix: str, kept: float
) -> None:
    extract(segment(video))
    (features,) = (p for p in (cache_folder / "features").rglob("*.npy") if p.name.count(".") == 1)
    path = features.with_suffix(suffix)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(DataError) as caught:
        extract(segment(video))
    assert "damaged cache entry" in str(caught.value)
    assert str(features) in str(caught.value)


def test_many_tracks_do_not_hold_files_open(video: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc")
    extract(segment(video))  # what opens files once is open now
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = extract(*(segment(video, 0.01 * k) for k in range(40)))
    assert [track.features.dtype for track in found.readable()] == [np.float16] * 40
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10  # a data set has thousands of tracks


EXTRACT = """
import sys, time
from pathlib import Path
import torch
from kinema.data import Segment
from kinema.data.clipspec import ClipSpec
from kinema.models import FrameBackbone, create_embedder
from kinema.training import FeatureCache
torch.set_num_threads(1)
torch.manual_seed(0)
spec = ClipSpec(frames=5, fps=5, height=48, width=48)
backbone = FrameBackbone("test_resnet", "none").requires_grad_(False).eval()
embedder = create_embedder(backbone, spec, "torch")
class Slow:
    engine, passes, at_a_time = embedder.engine, 0, 1
    def __call__(self, pictures):
        time.sleep(float(sys.argv[1]))
        return embedder(pictures)
def progress(done, total):
    print("done", done, flush=True)
segments = [Segment(p, None, None, "a", "train", "g", i, p.name) for i, p in enumerate(sorted(Path(sys.argv[2]).iterdir()))]
found = FeatureCache(backbone, spec, Slow()).extract(segments, progress=progress, batch_size=10)
print("computed", found.computed, flush=True)
"""


def process(seconds: float, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", EXTRACT, str(seconds), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_killed_extraction_goes_on_where_it_stopped(actions: Path, cache_folder: Path) -> None:
    folder = actions / "move2"
    running = process(0.4, folder)
    assert running.stdout is not None
    for line in running.stdout:
        if line == "done 2\n":
            running.send_signal(signal.SIGKILL)
            break
    running.wait(30)
    running.stdout.close()
    whole = [p for p in (cache_folder / "features").rglob("*.npy") if p.name.count(".") == 1]
    assert 2 <= len(whole) < 6
    after = extract(*(segment(path) for path in sorted(folder.iterdir())))
    assert after.computed == 6 - len(whole)
    assert all(len(track.times) == 10 for track in after.readable())
    assert len(after.readable()) == 6


@pytest.mark.slow
def test_two_processes_may_share_the_cache(actions: Path) -> None:
    both = [process(0.05, actions / "move2") for _ in range(2)]
    outputs = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert all("computed" in text for text in outputs)
    assert extract(*(segment(path) for path in sorted((actions / "move2").iterdir()))).computed == 0


def test_a_frame_folder_is_known_by_its_content_and_rate(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(10):
        cv2.imwrite(str(folder / f"f_{index}.png"), np.full((48, 48, 3), 20 * index, np.uint8))
    at_10 = replace(segment(folder), extra={"fps": 10.0})
    assert extract(at_10).computed == 1
    assert len(extract(at_10).readable()[0].times) == 5
    moved = folder.rename(tmp_path / "moved")
    assert extract(replace(at_10, video=moved)).computed == 0
    assert extract(replace(at_10, video=moved, extra={"fps": 5.0})).computed == 1
    time.sleep(0.01)
    cv2.imwrite(str(moved / "f_3.png"), np.full((48, 48, 3), 255, np.uint8))
    assert extract(replace(at_10, video=moved)).computed == 1


def test_a_rate_in_the_table_does_not_stop_a_video_file(video: Path) -> None:
    for rate in (25.0, float("nan"), None):
        found = extract(replace(segment(video), extra={"fps": rate}))
        assert found.problems == []


def test_a_video_of_one_frame_is_a_track_of_one(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "one.mp4", 10) as out:
        out.write(np.full((48, 48, 3), 200, np.uint8))
    (track,) = extract(segment(tmp_path / "one.mp4")).readable()
    assert track.features.shape == (1, backbone_of().dim)
    assert track.times.tolist() == [0.0]

"""S4's published run: 11,584 frames, VGG16 features, two layers of LSTM over 20 frames; kinema's way and the original's.

    python benchmarks/s4_job.py FOLDER_OF_VIDEOS... [--frames 160] [--windows 640] [--rounds 3] [--whole RUN] [--json out.json]

The videos are written as S4 takes its data, a folder of JPEGs for each video and `labels.csv`, 11,584 frames of 224 lines in
all. The settings are those of S4's own results.json, read as `kinema train --like-seed s4` reads them. VGG16 has random weights,
which cost the same time; so accuracy is not what is measured here.

- the original's way: each JPEG read and resized by OpenCV, one picture a call through the framework's eager forward, all cores
  inside each layer; then Adam over batches of 32 sequences, one sequence for each frame. The framework is torch, which is kind
  to the original: Keras 3.15 on TensorFlow 2.21 took 151 to 168 ms a picture in `predict`, as S4 calls it, where torch took 133
  to 141 (two cores, November 2026). That S4 first decodes and stores every frame a second time, resized, is left out too.
- kinema's way: `FeatureCache` (decoding threads, ONNX Runtime, a picture of each batch a thread), then `HeadTraining`.

Both run on the same `--frames` frames and on as many sequences (`--windows`, an epoch of them), in turns; the two speeds times
11,584 frames and 24 epochs of 10,034 sequences, which is what S4's file states, are the job: the lines that say "in all" are
extrapolated so. kinema itself draws 8 windows a segment and epoch, not one for each frame; that is not counted in its favour.
bfloat16 in torch, which not every processor has and whose features differ, stands beside for comparison.

`--whole RUN` also trains on all frames through `kinema train`'s own function into that folder, by the clock.
The target: a quarter of the original's time.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, videos_below, write
from kinema.data import ClipSpec, Manifest, Segment, read_data
from kinema.models import FactorisedModel, create_embedder, create_model, default_spec
from kinema.models.embedder import TorchEmbedder
from kinema.training import TrainSettings, train
from kinema.training.features import FeatureCache, Track
from kinema.training.head_training import HeadTraining
from kinema.training.like_seed import LikeSeed, s4_settings
from kinema.video import open_source

TARGET = 0.25
FRAMES, SEQUENCES, EPOCHS, RATE = (
    11_584,
    10_034,
    24,
    25.0,
)  # of S4's results.json, and the rate of its frame folders
PARAMS: dict[str, Any] = {
    "architecture": "video_lrcnn_frozen", "batch_size": 32, "convolution_kernel_size": 3, "dropout": 0.2,
    "frame_size": [224, 224], "layer_1_size": 256, "layer_2_size": 512, "layer_3_size": 256, "pooling": "max",
    "pretrained_model_name": "vgg16", "sequence_length": 20, "sequence_model": "LSTM", "sequence_model_layers": 2,
}  # fmt: skip
CLASSES = ["noseal", "seal"]
LINES = 224  # height of the stored frames


def write_data(videos: list[Path], folder: Path, count: int) -> Path:
    """Write `count` frames as S4 has them: a folder a video, and labels.csv; ends the program when the videos have fewer."""
    rows = []
    for number, path in enumerate(videos):
        name = f"video{number:03d}"
        split = "valid" if number % 8 == 7 else "train"
        (folder / name).mkdir(parents=True)
        with open_source(path) as source:
            for frame in source:
                if len(rows) == count:
                    break
                file = f"{name}_{frame.index + 1:05d}.jpg"
                width = round(frame.image.shape[1] * LINES / frame.image.shape[0])
                picture = cv2.resize(frame.image, (width, LINES), interpolation=cv2.INTER_AREA)
                cv2.imwrite(str(folder / name / file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                rows.append((name, file, CLASSES[number % 2], split))
        if len(rows) == count:
            break
    if len(rows) < count:
        sys.exit(f"{len(rows)} frames in these videos, {count} are needed: name more folders")
    pd.DataFrame(rows, columns=["video", "frame", "label", "split"]).to_csv(
        folder / "labels.csv", index=False
    )
    return folder


@dataclass
class Job:
    """S4's settings as kinema reads them, its network, and the segments whose frames are measured."""

    like: LikeSeed
    spec: ClipSpec
    model: FactorisedModel
    segments: list[Segment]
    files: list[Path]
    scratch: Path

    def cached(self, embedder: Any) -> Callable[[], None]:
        """Return kinema's extraction of these segments into a cache that is empty each time."""

        def run() -> None:
            shutil.rmtree(self.scratch / "cache" / "features", ignore_errors=True)
            extraction = FeatureCache(self.model.backbone, self.spec, embedder).extract(self.segments)
            if extraction.problems:
                sys.exit(extraction.problems[0])

        return run

    @torch.inference_mode()
    def one_a_call(self) -> np.ndarray:
        """Return the features `(n, 512)` of the same frames, each in a call of its own."""
        self.model.backbone.eval()
        mean, std = np.array(self.spec.mean, np.float32), np.array(self.spec.std, np.float32)
        features = []
        for file in self.files:
            image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
            image = cv2.resize(image, (self.spec.width, self.spec.height), interpolation=cv2.INTER_AREA)
            pixels = (image.astype(np.float32) / 255 - mean) / std
            features.append(
                self.model.backbone(torch.from_numpy(pixels).permute(2, 0, 1)[None]).numpy().ravel()
            )
        return np.array(features)

    def head_training(self, folder: Path, windows: int, settings: TrainSettings) -> Callable[[], object]:
        """Return kinema's epoch over `windows` windows, from features of noise in the cache's own files."""
        tracks = []
        for number in range(16):
            path = folder / f"{number}.npy"
            np.save(
                path, np.random.default_rng(number).random((100, self.model.backbone.dim)).astype(np.float16)
            )
            times = np.arange(100) / RATE
            segment = replace(self.segments[0], label=CLASSES[number % 2], split="train", row=number)
            tracks.append(Track(segment, times, path, times, np.arange(100)))
        chosen = replace(settings, epochs=1, stages="head", windows=windows // len(tracks))
        heads = HeadTraining(tracks, [], CLASSES, chosen, "cpu", lambda text: None)
        return lambda: heads.fit(self.model, range(len(tracks)), [])


def plain_head(head: nn.Module, windows: int, dim: int, batch: int, rate: float) -> Callable[[], None]:
    """Return an epoch as one writes it by hand: batches of sequences in memory, Adam."""
    frames = PARAMS["sequence_length"]
    inputs = torch.rand(windows, frames, dim)
    targets = torch.arange(windows) % len(CLASSES)
    optimizer = torch.optim.Adam(head.parameters(), lr=rate)

    def epoch() -> None:
        head.train()
        for rows in torch.randperm(windows).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(inputs[rows]), targets[rows]).backward()
            optimizer.step()

    return epoch


class HalfEmbedder(TorchEmbedder):
    """torch in bfloat16 on the CPU: kinema does not offer it; measured for comparison."""

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16):
            return super().__call__(pictures)


def prepared(manifest: Manifest, frames: int, scratch: Path) -> Job:
    """Return the job on the first `frames` frames of `manifest`."""
    like = s4_settings(PARAMS)
    settings = {**like.model_settings, "weights": "none"}
    spec = ClipSpec.from_dict({**default_spec(like.model, settings).to_dict(), **like.clip, "fps": RATE})
    torch.manual_seed(0)
    model = create_model(like.model, len(CLASSES), spec, **settings)
    assert isinstance(model, FactorisedModel)
    segments: list[Segment] = []
    files: list[Path] = []
    for segment in manifest.segments():
        found = sorted(segment.video.iterdir())[: frames - len(files)]
        if found:  # of the last video only what is still missing
            segments.append(replace(segment, start=0.0, end=len(found) / RATE))
            files += found
    return Job(like, spec, model, segments, files, scratch)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folders", type=Path, nargs="+")
    options.add_argument("--frames", type=int, default=160, help="frames that both ways take (160)")
    options.add_argument("--windows", type=int, default=640, help="sequences of the head's epoch (640)")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--total", type=int, default=FRAMES, help="frames of the data set (11,584)")
    options.add_argument("--whole", help="train on all frames into this folder too")
    asked = options.parse_args()
    facts = machine()
    say_machine(facts)
    with tempfile.TemporaryDirectory(prefix="kinema-benchmark-") as folder:
        scratch = Path(folder)
        os.environ["KINEMA_CACHE"] = str(scratch / "cache")  # never the user's
        videos = videos_below(asked.folders, 10**9)
        manifest = read_data(write_data(videos, scratch / "data", asked.total))
        result: dict[str, Any] = {
            "machine": facts,
            **measured(prepared(manifest, asked.frames, scratch), asked),
        }
        if asked.whole:
            result["seconds_whole"] = whole(manifest, Path(asked.whole))
        write(asked.json, result)


def measured(job: Job, asked: Any) -> dict[str, Any]:
    """Measure both stages of both ways, print them and the job that follows, and return the numbers."""
    settings = TrainSettings.from_dict(job.like.training)
    began = time.perf_counter()
    onnx = create_embedder(job.model.backbone, job.spec, "cpu")
    ready = time.perf_counter() - began
    half = HalfEmbedder(job.model.backbone, job.spec, "cpu")
    kinema, original, beside = "kinema", "one picture a call", "bfloat16, 16 a call"
    (job.scratch / "noise").mkdir()
    features = take_turns(
        {kinema: job.cached(onnx), original: job.one_a_call, beside: job.cached(half)}, asked.rounds
    )
    agree = difference(job, onnx), difference(job, half)
    heads = take_turns(
        {
            kinema: job.head_training(job.scratch / "noise", asked.windows, settings),
            original: plain_head(
                create_model(job.like.model, len(CLASSES), job.spec, **{**job.like.model_settings, "weights": "none"}).head,
                asked.windows, job.model.backbone.dim, settings.batch_size, settings.learning_rate,
            ),
        },
        asked.rounds,
    )  # fmt: skip
    frames, learnt = FRAMES / len(job.files), EPOCHS * SEQUENCES / (asked.windows // 16 * 16)
    print(
        f"{len(job.files)} of {FRAMES} frames and {asked.windows} of {EPOCHS} x {SEQUENCES} sequences measured, median of "
        f"{asked.rounds} rounds\n{onnx.engine}, made ready in {ready:.1f} s; its features differ from one picture a call by "
        f"{agree[0]:.1e} of the largest, those of bfloat16 by {agree[1]:.1e}\n"
    )
    rows = []
    for name, times in features.items():
        seen = statistics.median(times)
        row = [name, f"{1000 * seen / len(job.files):.1f}", f"{seen * frames / 60:.1f}", "-", "-"]
        if name in heads:
            learning = statistics.median(heads[name])
            row[3:] = f"{1000 * learning / asked.windows:.2f}", f"{learning * learnt / 60:.1f}"
        rows.append(row)
    print(table(("", "ms a frame", "min in all", "ms a sequence", "min in all"), rows))
    both = [
        [f * frames + h * learnt + (ready if name == kinema else 0) for f, h in zip(features[name], heads[name], strict=True)]
        for name in (kinema, original)
    ]  # fmt: skip
    parts = (
        ratios(features[kinema], features[original]),
        ratios(heads[kinema], heads[original]),
        ratios(*both),
    )
    for what, ratio in zip(("features", "head", "features and head"), parts, strict=True):
        print(
            f"{what}: {ratio['median']:.3f} of the original's time ({ratio['lowest']:.3f} to {ratio['highest']:.3f})"
        )
    print(f"target {TARGET}: {verdict(parts[2]['median'] < TARGET)}")
    quick = ratios(features[beside], features[original])
    print(
        f"features in bfloat16 would take {quick['median']:.3f} ({quick['lowest']:.3f} to {quick['highest']:.3f})"
    )
    return {
        "frames": len(job.files), "windows": asked.windows, "seconds_features": features, "seconds_head": heads,
        "ratio_features": parts[0], "ratio_head": parts[1], "ratio": parts[2], "ratio_bfloat16_features": quick,
        "difference": agree[0], "difference_bfloat16": agree[1], "seconds_ready": ready,
    }  # fmt: skip


def difference(job: Job, embedder: Any) -> float:
    """Return the largest difference from torch's features of eight frames, relative to the largest feature."""
    images = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in job.files[:8]]
    pictures = np.stack([job.spec.fit(image) for image in images])
    expected = TorchEmbedder(job.model.backbone, job.spec, "cpu")
    wanted = np.concatenate([expected(picture[None]) for picture in pictures])
    return float(np.abs(embedder(pictures) - wanted).max() / np.abs(wanted).max())


def whole(manifest: Manifest, run: Path) -> float:
    """Train as `kinema train DATA --like-seed s4` on all frames; return the seconds on the clock."""
    like = s4_settings(PARAMS)
    began = time.perf_counter()
    train(
        manifest, model=like.model, run=str(run), clip={**like.clip, "fps": RATE}, settings=like.training, device="cpu",
        **{**like.model_settings, "weights": "none"},
    )  # fmt: skip
    seconds = time.perf_counter() - began
    print(f"\nkinema train on all frames: {seconds / 60:.1f} min on the clock, report included; {run}")
    return seconds


if __name__ == "__main__":
    main()

"""Samples a second of training: kinema's `fit` against a plain torchvision-style loop, on the same files with the same batch.

    python benchmarks/training.py FOLDER_OF_VIDEOS... [--clips 24] [--batch 4] [--rounds 3] [--only NAME] [--json out.json]

Three networks, none with weights that need the network:

- r2plus1d_18: R(2+1)D-18, 16x112x112;
- lrcn, trained whole: EfficientNet-Lite0 and LSTM, 16x224x224;
- lrcn, as registered: the backbone is frozen. kinema computes the features of each video and of its mirror image once, in an
  empty cache, and trains the head on them; the plain loop, as such loops do, decodes and computes them again for each clip.
  Both see `--epochs` times the clips.

The plain loop is what one writes by hand: a dataset that decodes with PyAV from the keyframe before a random place, transforms.v2
as in torchvision's reference (resize, random crop, mirror, normalise) in the DataLoader's workers, `model.train()`, SGD.
kinema does what `kinema train` does on pixels, which is more: crops of random size, colours, AdamW, cut gradients, the best
weights kept. Left out of both: opening the first time, and kinema's measuring of the memory before the first epoch.

They take turns in each round; medians. The target: at least 1.0 of the plain loop, and less than 5 % of the time spent
waiting for clips. The wait for an epoch's first batch, which nobody can read ahead, is counted apart. On the CPU decoders and
network share the cores: what decoding costs is then in the samples a second, not in the wait.
"""

from __future__ import annotations

import copy
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import kinema.torch_setup  # noqa: F401  (before torchvision)
from common import (
    machine,
    parser,
    ratios,
    say_machine,
    table,
    take_turns,
    usable_cores,
    verdict,
    videos_below,
    write,
)
from kinema.data import ClipSpec, Segment
from kinema.models import FactorisedModel, create_embedder, create_model, default_spec
from kinema.training import TrainSettings
from kinema.training.batches import ClipBatches
from kinema.training.features import FeatureCache
from kinema.training.fit import fit
from kinema.training.head_training import HeadTraining
from kinema.training.pixels import augmentation, prepare_head

TARGET, MOST_WAIT = 1.0, 0.05
CLASSES = ["a", "b"]
LRCN: dict[str, Any] = {"freeze": False}


@dataclass
class Waiting:
    """Seconds in which a loop had no batch: the first of each pass, and all later ones."""

    first: float = 0.0
    later: float = 0.0

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of one pass."""
        began = time.perf_counter()
        for number, batch in enumerate(batches):
            waited = time.perf_counter() - began
            if number == 0:
                self.first += waited
            else:
                self.later += waited
            yield batch
            began = time.perf_counter()


class WatchedClips(ClipBatches):
    """kinema's batches, with how long `fit` waited for them."""

    waiting: Waiting

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.waiting.watch(super().__iter__())


class PlainClips(Dataset[tuple[Tensor, int]]):
    """A clip from a random place of each video, as a torchvision-style dataset reads it: float `(3, T, H, W)` and the class."""

    def __init__(self, videos: list[Path], spec: ClipSpec, transform: Callable[[Tensor], Tensor]) -> None:
        self.videos, self.spec, self.transform = videos, spec, transform

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pictures: list[np.ndarray] = []
        with av.open(str(self.videos[index]), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            unit = float(stream.time_base)
            length = float((stream.duration or 0) * unit)
            origin = (stream.start_time or 0) * unit
            start = float(torch.rand(())) * max(0.0, length - self.spec.span)
            if start > 0:
                container.seek(int((origin + start) / unit), stream=stream, backward=True)
            for frame in container.decode(stream):
                moment = float(frame.pts if frame.pts is not None else frame.dts) * unit - origin
                if moment >= start + len(pictures) / self.spec.fps - 0.002:
                    pictures.append(frame.to_ndarray(format="rgb24"))
                    if len(pictures) == self.spec.frames:
                        break
        pictures = [pictures[0]] * (self.spec.frames - len(pictures)) + pictures
        clip = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return self.transform(clip).transpose(0, 1), index % len(CLASSES)


def transforms(spec: ClipSpec) -> Callable[[Tensor], Tensor]:
    """Return torchvision's reference training transforms for clips `(T, 3, H, W)`: resized to 8/7 of the crop, then cropped."""
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.Resize((spec.height * 8 // 7, spec.width * 3 // 2), antialias=True),
            v2.RandomCrop((spec.height, spec.width)),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(spec.mean), list(spec.std)),
        ]
    )


def plain_loop(
    model: nn.Module, loader: DataLoader[Any], epochs: int, waiting: Waiting
) -> Callable[[], None]:
    """Return the loop that one writes by hand."""
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()

    def train() -> None:
        model.train()
        for _ in range(epochs):
            for clips, targets in waiting.watch(loader):
                loss = criterion(model(clips), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return train


@dataclass
class Contest:
    """What is trained, on which clips, and how: everything that the two sides share."""

    videos: list[Path]
    settings: TrainSettings
    workers: int
    scratch: Path
    epochs: int = 1

    @property
    def segments(self) -> list[Segment]:
        return [
            Segment(video, None, None, CLASSES[row % len(CLASSES)], "train", None, row, video.name)
            for row, video in enumerate(self.videos)
        ]

    @property
    def targets(self) -> list[int]:
        return [row % len(CLASSES) for row in range(len(self.videos))]

    def loader(self, spec: ClipSpec) -> DataLoader[Any]:
        return DataLoader(
            PlainClips(self.videos, spec, transforms(spec)),
            batch_size=self.settings.batch_size,
            shuffle=True,
            num_workers=self.workers,
            persistent_workers=True,
        )

    def whole(self, name: str, own: nn.Module | None, settings: dict[str, Any]) -> tuple[Jobs, Waits]:
        """Return both sides' training of a whole network; `own` is the plain loop's, if it is not kinema's."""
        spec = default_spec(name, settings)
        model = create_model(name, len(CLASSES), spec, **settings)
        batches = WatchedClips(
            self.segments, self.targets, len(CLASSES), spec, self.settings,
            augmentation=augmentation(self.settings, spec), workers=self.workers,
        )  # fmt: skip
        batches.waiting = Waiting()
        if isinstance(model, FactorisedModel):
            prepare_head(model, batches, self.settings)
            batches.waiting = Waiting()
        plain = Waiting()
        jobs: Jobs = {
            "kinema": lambda: fit(model, batches, None, self.settings, device="cpu"),
            "plain loop": plain_loop(own or copy.deepcopy(model), self.loader(spec), 1, plain),
        }
        return jobs, {"kinema": batches.waiting, "plain loop": plain}

    def frozen(self) -> tuple[Jobs, Waits]:
        """Return both sides' training of lrcn's head on a frozen backbone."""
        spec = default_spec("lrcn", {})
        model = create_model("lrcn", len(CLASSES), spec)
        assert isinstance(model, FactorisedModel)
        embedder = create_embedder(model.backbone, spec, "cpu")
        settings = replace(self.settings, epochs=self.epochs)

        def features() -> None:
            shutil.rmtree(self.scratch / "features", ignore_errors=True)
            cache = FeatureCache(model.backbone, spec, embedder)
            tracks = cache.extract(self.segments).readable()
            mirrored = cache.extract(self.segments, mirrored=True).tracks
            heads = HeadTraining(tracks, mirrored, CLASSES, settings, "cpu", lambda text: None)
            heads.fit(model, range(len(tracks)), [])

        plain = Waiting()
        loop = plain_loop(copy.deepcopy(model), self.loader(spec), self.epochs, plain)
        return {"kinema": features, "plain loop": loop}, {"plain loop": plain}


Jobs = dict[str, Callable[[], object]]
Waits = dict[str, Waiting]


def r2plus1d() -> nn.Module:
    from torchvision.models.video import r2plus1d_18

    network: nn.Module = r2plus1d_18(num_classes=len(CLASSES))
    return network


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folders", type=Path, nargs="+")
    options.add_argument("--clips", type=int, default=24, help="clips an epoch, one a video (24)")
    options.add_argument("--batch", type=int, default=4, help="clips a step (4)")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--epochs", type=int, default=3, help="of lrcn with a frozen backbone (3)")
    options.add_argument("--workers", type=int, default=usable_cores(), help="decoders of each side (cores)")
    options.add_argument("--only", choices=("r2plus1d_18", "lrcn, whole", "lrcn, frozen"))
    asked = options.parse_args()
    facts = machine()
    say_machine(facts)
    videos = videos_below(asked.folders, asked.clips)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kinema-benchmark-") as scratch:
        os.environ["KINEMA_CACHE"] = scratch  # an empty one, and never the user's
        settings = TrainSettings(epochs=1, batch_size=asked.batch, windows=1, class_weights="none")
        contest = Contest(videos, settings, asked.workers, Path(scratch), asked.epochs)
        print(
            f"{len(videos)} clips an epoch, {asked.batch} a step, {asked.workers} decoders, median of {asked.rounds} rounds\n"
        )
        contests: dict[str, tuple[int, Callable[[], tuple[Jobs, Waits]]]] = {
            "r2plus1d_18": (1, lambda: contest.whole("r2plus1d_18", r2plus1d(), {})),
            "lrcn, whole": (1, lambda: contest.whole("lrcn", None, LRCN)),
            "lrcn, frozen": (asked.epochs, contest.frozen),
        }
        for name, (epochs, begin) in contests.items():
            if asked.only in (None, name):
                result[name] = compared(name, len(videos) * epochs, asked.rounds, *begin())
    write(asked.json, {"machine": facts, "clips": len(videos), "batch": asked.batch, "networks": result})


def compared(name: str, samples: int, rounds: int, jobs: Jobs, waits: Waits) -> dict[str, Any]:
    """Let both sides train, print who was faster and who waited, and return the numbers."""
    seconds = take_turns(jobs, rounds)
    passes = rounds + 1  # the warming round was watched too
    rows, found = [], {}
    for side, times in seconds.items():
        each = statistics.median(times)
        share = waits[side].later / passes / each if side in waits else None
        first = waits[side].first / passes if side in waits else None
        found[side] = {
            "samples_a_second": samples / each,
            "share_waiting": share,
            "seconds_to_first_batch": first,
        }
        rows.append(
            (
                side, f"{samples / each:.3f}", "-" if share is None else f"{100 * share:.1f} %",
                "-" if first is None else f"{first:.2f}",
            )
        )  # fmt: skip
    ratio = ratios(seconds["plain loop"], seconds["kinema"])
    print(table((name, "samples/s", "waiting", "s to first batch"), rows))
    print(
        f"kinema against the plain loop: {ratio['median']:.3f} ({ratio['lowest']:.3f} to {ratio['highest']:.3f}); "
        f"target {TARGET}: {verdict(ratio['median'] >= TARGET)}"
    )
    waited = found["kinema"]["share_waiting"]
    if waited is not None:
        print(f"waiting for clips: target below {100 * MOST_WAIT:.0f} %: {verdict(waited < MOST_WAIT)}")
    print(flush=True)
    return {"sides": found, "ratio": ratio}


if __name__ == "__main__":
    main()

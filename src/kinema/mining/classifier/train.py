"""The whole job: folders of pictures in; a recognizer of single pictures, its held-out report and a run folder out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest, split_by_group
from kinema.data.clipspec import ClipSpec
from kinema.data.wording import count
from kinema.errors import UsageError
from kinema.mining.classifier.data import CANDIDATE, picture_manifest, wanted_classes
from kinema.mining.classifier.negatives import NONE, choose_negatives
from kinema.mining.classifier.pictures import find_pictures
from kinema.models import BUNDLED, Recognizer, default_spec
from kinema.training import FeatureCache, Listener, Run, TrainSettings, train
from kinema.training.run_folder import new_run_folder

MODEL = "frame_mlp"
FROZEN = {"epochs": 30, "batch_size": 64, "windows": 1}
"""Training settings of a head on stored features; an epoch sees every picture once."""
FINE_TUNED = {"epochs": 8, "batch_size": 32, "windows": 1}
"""Those of a whole network."""


def train_classifier(
    images: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    feature_extractor: str = BUNDLED,
    weights: str | None = None,
    fine_tune: bool = False,
    only: Sequence[str] | None = None,
    negatives: str | os.PathLike[str] | None = None,
    most_negatives: int | None = None,
    learning_rate: float | None = None,
    clip: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    device: str = "auto",
    listener: Listener | None = None,
    told: Callable[[str], None] = lambda note: None,
    **model_settings: Any,
) -> Run:
    """Train a recognizer of single pictures on `images/CLASS/picture.jpg`, and write its run folder with `report.html`.

    - `out`: the folder of the run, by default one below `runs/`. The recognizer is loaded from it, and resumed in it.
    - `feature_extractor`: any backbone of timm. `weights`: `bundled` (of the default backbone, no network needed),
      `pretrained` (the default for others), `none`, or a file.
    - the backbone stays as it is, its features are computed once and kept, unless `fine_tune` trains it too.
    - `only`: the classes wanted; pictures of the others are candidates for "none of these".
    - `negatives`: a folder of other pictures, or videos in any layout that `read_data` knows: more candidates.
      `most_negatives`: as many of all candidates are learned from (default: as many as there are pictures of the classes),
      half of them at random, half those most like the classes (`choose_negatives`).
    - `learning_rate`: of the head; with `fine_tune` of the whole network. `settings`: changes to `TrainSettings`; `clip`,
      `model_settings`: as `kinema.training.train` takes them. `told` hears sentences about the data.

    Pictures that show the same share a group, whatever their names, so that the report's held-out pictures have no copy among
    the learned ones.

    Raises `DataError` for pictures that cannot be learned from, `UsageError` for settings that do not exist.
    """
    listener = listener or Listener()
    if most_negatives is not None and most_negatives < 1:
        raise UsageError(f"most_negatives {most_negatives}: give at least 1")
    weights = weights or ("bundled" if feature_extractor == BUNDLED else "pretrained")
    model_settings = {
        **model_settings, "backbone": feature_extractor, "weights": weights, "freeze": not fine_tune,
    }  # fmt: skip
    chosen = _settings(fine_tune, learning_rate, settings or {})
    clip = {**(clip or {}), "frames": 1}
    spec = ClipSpec.from_dict({**default_spec(MODEL, model_settings).to_dict(), **clip})
    top = Path(images)
    found, notes = find_pictures(top)
    wanted = wanted_classes(found, only, top)
    # A wrong name of a backbone, or weights that cannot be had, are said before thousands of pictures are read.
    frozen = Recognizer.create(MODEL, wanted, spec, **{**model_settings, "freeze": True})
    frozen.device = device
    folder = new_run_folder(None if out is None else str(Path(out).absolute()), top.resolve().name).absolute()
    try:
        others = None if negatives is None else Path(negatives)
        manifest = picture_manifest(found, wanted, others, folder, listener, notes)
        if manifest.table[CANDIDATE].any():
            manifest = _with_negatives(manifest, wanted, frozen, most_negatives, chosen.seed, listener)
        manifest = manifest.replace(manifest.table.drop(columns=CANDIDATE))
        for note in manifest.notes:
            told(note)
        return train(
            manifest, model=MODEL, run=str(folder), clip=clip, settings=chosen, device=device, listener=listener,
            **model_settings,
        )  # fmt: skip
    except BaseException:
        if not (folder / "checkpoint").exists() and not (folder / "results.json").exists():
            shutil.rmtree(folder / "pictures", ignore_errors=True)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _settings(fine_tune: bool, learning_rate: float | None, changes: dict[str, Any]) -> TrainSettings:
    found: dict[str, Any] = {**(FINE_TUNED if fine_tune else FROZEN)}
    if learning_rate is not None:
        found["learning_rate"] = learning_rate
        if fine_tune:
            found["backbone_learning_rate"] = learning_rate
    return TrainSettings.from_dict({**found, **changes})


def _with_negatives(
    manifest: Manifest,
    wanted: Sequence[str],
    recognizer: Recognizer,
    most: int | None,
    seed: int,
    listener: Listener,
) -> Manifest:
    """Divide everything, and choose of the candidates what "none of these" is learned from, and what it is measured on."""
    divided = split_by_group(
        manifest, seed=seed
    )  # classes not wanted are in proportion while they have names
    table = divided.table
    listener.stage("features of the pictures")
    cache = FeatureCache(recognizer.factorised.backbone, recognizer.spec, recognizer.embedder)
    extraction = cache.extract(divided.segments(), progress=listener.items)
    features: dict[int, NDArray[np.float32]] = {
        row: np.asarray(track.features, np.float32).mean(axis=0)
        for row, track in enumerate(extraction.tracks)
        if track is not None
    }
    candidate = table[CANDIDATE].to_numpy(bool)
    labels, names = table["label"].tolist(), [name for name in wanted if name != NONE]
    total = most or int((~candidate).sum())
    keep = ~candidate
    hard, left = 0, total
    for split in sorted(set(table["split"]), key=("valid", "test", "train").index):
        here = np.flatnonzero((table["split"] == split).to_numpy())
        rows = [int(i) for i in here if candidate[i] and int(i) in features]
        share = round(total * len(rows) / max(1, int(candidate.sum())))
        share = min(len(rows), left if split == "train" else share)
        left -= share
        if split == "train":
            own = [int(i) for i in here if labels[i] in names and not candidate[i] and int(i) in features]
            chosen = choose_negatives(
                _stacked(features, own),
                [names.index(labels[i]) for i in own],
                _stacked(features, rows),
                share,
                seed,
            )
            hard = share // 2 if share < len(rows) else 0
        else:  # what is measured on is drawn, so that it stands for all others
            chosen = np.random.default_rng(seed).permutation(len(rows))[:share].tolist()
        keep[[rows[i] for i in chosen]] = True
    kept = table.assign(label=np.where(candidate, NONE, table["label"]))[keep].reset_index(drop=True)
    number = int((kept["label"] == NONE).sum())
    how = f"; {hard:,} of those in train for being most like the classes" if hard else ""
    notes = [f"'{NONE}': {number:,} of {int(candidate.sum()):,} others{how}"]
    if extraction.problems:  # pictures were looked at before: these are videos
        notes.append(
            f"{count(len(extraction.problems), 'other')} left out, not readable; first: {extraction.problems[0]}"
        )
    return divided.replace(kept, [*divided.notes, *notes])


def _stacked(features: dict[int, NDArray[np.float32]], rows: Sequence[int]) -> NDArray[np.float32]:
    width = len(next(iter(features.values()))) if features else 0
    return np.stack([features[i] for i in rows]) if rows else np.zeros((0, width), np.float32)

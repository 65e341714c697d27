"""The steps of one training: features, fits, and what the report is made of.

Over 300 lines, since cross-validation and fixed splits are the same steps in another order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data import Manifest, Segment, check_leaks, folds
from kinema.data.clips import read_clip
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY, majority_class
from kinema.evaluation.calibration import fit_temperature
from kinema.evaluation.cross_validation import fold_table, pool_folds
from kinema.evaluation.evaluate import protocol_sentence, split_scores
from kinema.evaluation.scores import Scores, to_video
from kinema.evaluation.summary import ReportData, SplitScores
from kinema.models import (
    FactorisedModel,
    Recognizer,
    TemporalHead,
    create_head,
    model_entry,
    one_thread,
)
from kinema.training.batches import ClipBatches, WindowBatches, Windows, describe_tracks
from kinema.training.features import Extraction, FeatureCache, Track
from kinema.training.fit import FitResult, Progress, fit
from kinema.training.scoring import score_tracks, track_logits
from kinema.training.settings import TrainSettings


@dataclass
class Listener:
    """What a caller wants to hear while training: `stage(text)`, `items(done, total)`, `epochs(done, total, row)`."""

    stage: Callable[[str], None] = lambda text: None
    items: Callable[[int, int], None] = lambda done, total: None
    epochs: Progress = lambda done, total, row: None


@dataclass
class _Fold:
    scores: Scores
    baseline: Scores
    majority: Scores
    train_top1: float


class Work:
    """One training: its data, its features and the fits made of them."""

    def __init__(
        self,
        recognizer: Recognizer,
        manifest: Manifest,
        settings: TrainSettings,
        device: str,
        listener: Listener,
    ) -> None:
        self.recognizer, self.manifest, self.settings = recognizer, manifest, settings
        self.device, self.listener = device, listener
        self.classes = recognizer.classes
        self.extraction: Extraction | None = None
        self.baseline: FactorisedModel | None = None
        self.tested = 0.0, 0.0  # seconds since the epoch: begin and end of the measuring
        self.tracks: list[Track] = []
        self.mirrored: list[Track | None] = []
        self._windows: dict[str, tuple[Windows, Windows | None]] = {}
        self._held_out: dict[int, np.ndarray] = {}  # logits of the fold that had not seen the track

    def extract(self) -> None:
        """Compute or find the features of every segment, and of its mirror image."""
        model = self.recognizer.factorised
        self.listener.stage("preparing the backbone")
        cache = FeatureCache(model.backbone, self.recognizer.spec, self.recognizer.embedder)
        segments = self.manifest.segments()
        self.listener.stage("extracting features")
        self.extraction = cache.extract(segments, progress=self.listener.items)
        readable = [i for i, track in enumerate(self.extraction.tracks) if track is not None]
        self.tracks = self.extraction.readable()
        if not self.tracks:
            raise DataError(
                f"none of {len(segments)} videos could be read; first: {self.extraction.problems[0]}"
            )
        if self.settings.flip:
            self.listener.stage("extracting features of mirrored pictures")
            # Only what is trained on is mirrored: with splits that is train, with folds every item.
            learned = [i for i in readable if segments[i].split in (None, "train")]
            mirrored = cache.extract(
                [segments[i] for i in learned], mirrored=True, progress=self.listener.items
            )
            by_segment = dict(zip(learned, mirrored.tracks, strict=True))
            if mirrored.problems:
                raise DataError(f"a video changed while it was read; run again ({mirrored.problems[0]})")
            self.mirrored = [by_segment.get(i) for i in readable]
        _refuse_unlearnable([track.segment for track in self.tracks], self.extraction.problems)

    def fit_splits(self, log_folder: Path, frozen: bool) -> tuple[FitResult, ReportData]:
        """Fit on train, choose on valid, report all splits."""
        if not frozen:
            return self._fit_pixels(log_folder)
        model = self.recognizer.factorised
        train, valid = self._of("train"), self._of("valid")
        self.listener.stage("training")
        result = self._fit_head(model, train, valid, log_folder, self.listener.epochs)
        return result, self._report(result, train, valid)

    def _report(self, result: FitResult, train: list[int], valid: list[int]) -> ReportData:
        model = self.recognizer.factorised
        self.listener.stage("measuring")
        self.tested = time.time(), time.time()
        scores = score_tracks(model, self.tracks, self.classes)
        baseline = self._frame_average(train, valid)
        self.baseline = baseline
        splits = split_scores(scores)
        labels = [self.tracks[i].segment.label for i in train]
        baselines = {MAJORITY: {n: majority_class(labels, to_video(p.clip)) for n, p in splits.items()}}  # type: ignore[arg-type,misc]
        if baseline is not None:
            base_scores = split_scores(score_tracks(baseline, self.tracks, self.classes))
            baselines[FRAME_AVERAGING] = {n: p.clip for n, p in base_scores.items()}  # type: ignore[misc]
        temperature = fit_temperature(splits["valid"].clip).temperature if "valid" in splits else None  # type: ignore[arg-type]
        self.recognizer.temperature = temperature or 1.0
        self.tested = self.tested[0], time.time()
        return ReportData(
            classes=self.classes,
            protocol=protocol_sentence(self.recognizer, "; ".join(self.manifest.notes) or "as given"),
            splits=splits,
            root=self.manifest.root,
            baselines=baselines,
            history=result.history,
            best_epoch=result.best_epoch,
            temperature=temperature,
            selected_on_valid=bool(valid),
            data_description=self._description(),
            leaks=[str(leak) for leak in check_leaks(self.manifest)],
        )

    def fit_folds(self, k: int | str, log_folder: Path) -> tuple[FitResult, ReportData]:
        """Hold out each fold once; then fit on everything, for the recognizer that is kept."""
        parts: list[_Fold] = []
        divided = folds(self._manifest_of_tracks(), k, seed=self.settings.seed)
        self.listener.stage(f"training {len(divided)} folds")
        for number, fold in enumerate(divided):
            split = fold.table["split"].tolist()
            train = [i for i, name in enumerate(split) if name == "train"]
            test = [i for i, name in enumerate(split) if name == "test"]
            parts.append(self._fold(train, test))
            self.listener.items(number + 1, len(divided))
        self.listener.stage("training on all items")
        everything = list(range(len(self.tracks)))
        result = self._fit_head(self.recognizer.factorised, everything, [], log_folder, self.listener.epochs)
        self.baseline = self._frame_average(everything, [])
        self.listener.stage("measuring")
        self.tested = time.time(), time.time()
        temperature = fit_temperature(pool_folds([part.scores for part in parts])).temperature
        calibrated = _cross_calibrated([part.scores for part in parts])
        pooled = pool_folds(calibrated)
        video = [to_video(scores) for scores in calibrated]
        table = fold_table(video, train_top1=[part.train_top1 for part in parts])
        self.recognizer.temperature = temperature
        what = "one group held out at a time" if k == "group" else f"{len(divided)} folds, groups kept whole"
        self.tested = self.tested[0], time.time()
        report = ReportData(
            classes=self.classes,
            protocol=protocol_sentence(
                self.recognizer,
                f"cross-validation, {what}; no setting was chosen on the folds, each fold is calibrated on the others",
            ),
            splits={"test": SplitScores(clip=pooled, video=to_video(pooled))},
            root=self.manifest.root,
            baselines={
                MAJORITY: {"test": pool_folds([part.majority for part in parts])},
                FRAME_AVERAGING: {"test": to_video(pool_folds([part.baseline for part in parts]))},
            },
            history=result.history,
            best_epoch=result.best_epoch,
            selected_on_valid=False,
            data_description=self._description(),
            folds=table,
        )
        return result, report

    def timelines(self) -> tuple[list[Track], list[np.ndarray]]:
        """Return every track with its logits `(n, K)`, one row a sampled time.

        With folds they come from the model that had not seen the track's group, and its split is test.
        """
        if self._held_out:
            everything = range(len(self.tracks))
            return self._as_test(everything), [self._held_out[i] for i in everything]
        model = self.recognizer.factorised
        return self.tracks, [track_logits(model, track) for track in self.tracks]

    def _fold(self, train: list[int], test: list[int]) -> _Fold:
        torch.manual_seed(self.settings.seed)
        fresh = Recognizer.create(
            self.recognizer.name,
            self.classes,
            self.recognizer.spec,
            **{**self.recognizer.settings, **_unweighted(self.recognizer)},
        ).factorised
        fresh.backbone = self.recognizer.factorised.backbone
        fitted = self._fit_head(fresh, train, [], None, None)
        averaged = self._frame_average(train, [])
        if fitted.interrupted or averaged is None:  # half a fold is no measurement
            raise KeyboardInterrupt
        tested = self._as_test(test)
        self._held_out.update({i: track_logits(fresh, self.tracks[i]) for i in test})
        scores = score_tracks(fresh, tested, self.classes)
        baseline = score_tracks(averaged, tested, self.classes)
        learned = self._train_accuracy(fresh, train)
        labels = [self.tracks[i].segment.label for i in train]
        majority = majority_class(labels, to_video(scores))  # type: ignore[arg-type]
        return _Fold(scores, baseline, majority, learned)

    def _fit_head(
        self,
        model: FactorisedModel,
        train: list[int],
        valid: list[int],
        log: Path | None,
        progress: Progress | None,
    ) -> FitResult:
        straight, mirrored = self._described(model.head)
        settings = self.settings if valid else replace(self.settings, patience=0)
        batches = WindowBatches(
            straight, train, self._targets(train), len(self.classes), settings=settings, mirrored=mirrored
        )
        checked = WindowBatches(straight, valid, self._targets(valid), len(self.classes))
        with one_thread():
            model.head.prepare(batches.sample())
            return fit(
                model,
                batches,
                checked if valid else None,
                settings,
                device=self.device,
                log_folder=log,
                progress=progress,
            )

    @torch.inference_mode()
    def _train_accuracy(self, model: FactorisedModel, train: list[int]) -> float:
        """Video-level top-1 on the training tracks, from the windows that were trained on."""
        straight, _ = self._described(model.head)
        right = [
            int(
                model.head.decide(straight.described[torch.from_numpy(rows)].float())
                .softmax(1)
                .mean(0)
                .argmax()
            )
            == target
            for rows, target in zip(straight.rows(train), self._targets(train), strict=True)
        ]
        return float(np.mean(right))

    def _described(self, head: TemporalHead) -> tuple[Windows, Windows | None]:
        """Describe all tracks once for each kind of head; folds share them, since describing learns nothing."""
        key = f"{type(head).__name__} {getattr(head, 'pooling', '')}"
        if key not in self._windows:
            stride = max(1, head.frames // 4)
            with one_thread():
                straight = describe_tracks(head, self.tracks, stride)
                mirrored = describe_tracks(head, self.mirrored, stride) if self.mirrored else None
            self._windows[key] = straight, mirrored
        return self._windows[key]

    def _frame_average(self, train: list[int], valid: list[int]) -> FactorisedModel | None:
        """The baseline without time: a linear classifier of the mean of the same features. None after Ctrl-C."""
        torch.manual_seed(self.settings.seed)
        model = self.recognizer.factorised
        head = create_head("mean", model.backbone.dim, len(self.classes), model.frames)
        baseline = FactorisedModel(len(self.classes), model.frames, model.backbone, head)
        fitted = self._fit_head(baseline, train, valid, None, None)
        return None if fitted.interrupted else baseline

    def _fit_pixels(self, log_folder: Path) -> tuple[FitResult, ReportData]:
        """Train the backbone too, on clips decoded and augmented while training; then measure with its new features."""
        from kinema.data.transforms import ClipAugmentation
        from kinema.models import usable_cores

        model, spec, settings = self.recognizer.model, self.recognizer.spec, self.settings
        self.listener.stage("opening the videos")
        segments, problems = _openable(self.manifest.segments())
        _refuse_unlearnable(segments, problems)
        workers = settings.workers or usable_cores()
        colours = (
            {"saturation": 0.0, "hue": 0.0} if spec.colour == "gray_stack" else {}
        )  # its channels are moments
        augmentation = ClipAugmentation(flip=0.5 if settings.flip else 0.0, **colours)
        batches = []
        for split, augment in (("train", augmentation), ("valid", None)):
            chosen = [s for s in segments if s.split == split]
            targets = [self.classes.index(str(s.label)) for s in chosen]
            batches.append(
                ClipBatches(
                    chosen, targets, len(self.classes), spec, settings, augmentation=augment, workers=workers
                )
            )
        self.listener.stage("training, backbone included")
        valid = batches[1] if len(batches[1]) else None
        result = fit(
            model,
            batches[0],
            valid,
            settings,
            device=self.device,
            log_folder=log_folder,
            progress=self.listener.epochs,
        )
        self.recognizer.forget_embedder()
        self.settings = replace(settings, flip=False)
        self.extract()
        return result, self._report(result, self._of("train"), self._of("valid"))

    def _of(self, split: str) -> list[int]:
        return [i for i, track in enumerate(self.tracks) if track.segment.split == split]

    def _targets(self, rows: Sequence[int]) -> list[int]:
        return [self.classes.index(str(self.tracks[i].segment.label)) for i in rows]

    def _as_test(self, rows: Sequence[int]) -> list[Track]:
        return [replace(self.tracks[i], segment=replace(self.tracks[i].segment, split="test")) for i in rows]

    def _manifest_of_tracks(self) -> Manifest:
        rows = [track.segment.row for track in self.tracks]
        return self.manifest.replace(self.manifest.table.iloc[rows].reset_index(drop=True))

    def _description(self) -> str:
        problems = self.extraction.problems if self.extraction else []
        left_out = "".join(f"\nleft out, not readable: {line}" for line in problems)
        return self.manifest.describe() + left_out


def _cross_calibrated(scores: list[Scores]) -> list[Scores]:
    """Divide each fold's logits by the temperature that fits the other folds."""
    found = []
    for index, own in enumerate(scores):
        others = pool_folds([*scores[:index], *scores[index + 1 :]])
        found.append(replace(own, logits=own.logits / fit_temperature(others).temperature))
    return found


def _refuse_unlearnable(segments: Sequence[Segment], problems: Sequence[str]) -> None:
    learned = {s.label for s in segments if s.split in (None, "train")}
    missing = sorted({str(s.label) for s in segments} - {str(label) for label in learned})
    hint = f" ({len(problems)} videos could not be read, first: {problems[0]})" if problems else ""
    if len(learned) < 2:
        raise DataError(f"train holds readable videos of {len(learned)} class{hint}; at least two are needed")
    if missing:
        raise DataError(
            f"class '{missing[0]}' has no readable video in train{hint}; add some, or leave the class out"
        )


def _openable(segments: Sequence[Segment]) -> tuple[list[Segment], list[str]]:
    """Return the segments whose first frame can be read, and a line for each of the others."""
    found, problems = [], []
    for segment in segments:
        try:
            read_clip(segment, ClipSpec(frames=1, height=8, width=8), segment.start or 0.0)
            found.append(segment)
        except DataError as error:
            problems.append(str(error))
    return found, problems


def _unweighted(recognizer: Recognizer) -> dict[str, str]:
    return {"weights": "none"} if "weights" in model_entry(recognizer.name).settings else {}

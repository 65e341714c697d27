"""The steps of one training: features, the fit, and what the report is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data import Manifest, Segment, check_leaks
from kinema.errors import DataError
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY, majority_class
from kinema.evaluation.calibration import fit_temperature
from kinema.evaluation.evaluate import protocol_sentence, split_scores
from kinema.evaluation.scores import to_video
from kinema.evaluation.summary import ReportData, SplitScores
from kinema.models import FactorisedModel, Recognizer, create_model, default_spec
from kinema.training.distributed import Team
from kinema.training.features import FeatureCache, Track
from kinema.training.fit import FitResult, Progress
from kinema.training.head_training import HeadTraining
from kinema.training.pixels import fit_pixels, openable
from kinema.training.scoring import follow_segments, score_tracks, scores_of, track_logits
from kinema.training.settings import Refit, TrainSettings


@dataclass
class Listener:
    """What a caller wants to hear while training: `stage(text)`, `items(done, total)`, `epochs(done, total, row)`.

    `say(sentence)` is for what a user must know: memory that did not suffice, a loss that is no number. `begun(folder)` hears
    which folder the run has.
    """

    stage: Callable[[str], None] = lambda text: None
    items: Callable[[int, int], None] = lambda done, total: None
    epochs: Progress = lambda done, total, row: None
    say: Callable[[str], None] = lambda text: None
    begun: Callable[[Path], None] = lambda folder: None


class Work:
    """One training: its data, its features and the fits made of them.

    `folder` is the run's; `checkpoints` where its fits save themselves. With a `team`, every process has a `Work`, and what
    `share` does is divided among them.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        manifest: Manifest,
        settings: TrainSettings,
        device: str,
        listener: Listener,
        folder: Path,
        checkpoints: Path,
        team: Team = Team(),
    ) -> None:
        self.recognizer, self.manifest, self.settings = recognizer, manifest, settings
        self.device, self.listener = device, listener
        self.folder, self.checkpoints, self.team = folder, checkpoints, team
        self.classes = recognizer.classes
        self.problems: list[str] = []  # videos that could not be read
        self.baseline: FactorisedModel | None = None
        self.tested = 0.0, 0.0  # seconds since the epoch: begin and end of the measuring
        self.tracks: list[Track] = []
        self.mirrored: list[Track | None] = []
        self.held_out: dict[int, np.ndarray] = {}  # logits of the fold that had not seen the track
        self._logits: list[np.ndarray] | None = None
        self._heads: HeadTraining | None = None
        self._fitted: FitResult | None = None
        self.refit: Refit | None = None  # where valid is among train

    @property
    def frozen(self) -> bool:
        """Whether only a head is trained, on stored features."""
        model = self.recognizer.model
        return isinstance(model, FactorisedModel) and model.backbone.frozen

    def share(self) -> None:
        """Do what the processes of the team do together: features that are not stored yet, or the training on pixels.

        Everything after it is the first process's alone; a head on stored features takes it seconds.
        """
        if not self.frozen:
            self._fitted = self._fit_pixels()
        elif self.team.size > 1:
            self._extract_share()

    def _extract_share(self) -> None:
        """Compute the features of every `size`-th segment into the cache that the first process then reads."""
        self.listener.stage(f"extracting features, one of {self.team.size} processes")
        cache = FeatureCache(
            self.recognizer.factorised.backbone, self.recognizer.spec, self.recognizer.embedder
        )
        own = self.manifest.segments()[self.team.rank :: self.team.size]
        cache.extract(own, progress=self.listener.items)
        if self.settings.flip:
            learned = [segment for segment in own if segment.split in (None, "train")]
            cache.extract(learned, mirrored=True, progress=self.listener.items)
        self.team.wait()

    def extract(self, flip: bool) -> None:
        """Compute or find the features of every segment, and with `flip` of its mirror image."""
        model = self.recognizer.factorised
        self.listener.stage("preparing the backbone")
        cache = FeatureCache(model.backbone, self.recognizer.spec, self.recognizer.embedder)
        segments = self.manifest.segments()
        self.listener.stage("extracting features")
        extraction = cache.extract(segments, progress=self.listener.items)
        self.problems = extraction.problems
        readable = [i for i, track in enumerate(extraction.tracks) if track is not None]
        self.tracks = extraction.readable()
        if not self.tracks:
            raise DataError(f"none of {len(segments)} videos could be read; first: {self.problems[0]}")
        if flip:
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
        _refuse_unlearnable([track.segment for track in self.tracks], self.problems)

    def fit_splits(self) -> tuple[FitResult, ReportData]:
        """Fit on train, choose on valid, report all splits."""
        if self.frozen:
            self.listener.stage("training")
            result = self.heads().fit(
                self.recognizer.factorised, self._of("train"), self._of("valid"), **self.outside()
            )
        else:
            assert self._fitted is not None
            result = self._fitted
            self._follow_all()
        return result, self._report(result)

    def heads(self) -> HeadTraining:
        """Return what fits heads on the features of all tracks."""
        if self._heads is None:
            self._heads = HeadTraining(
                self.tracks, self.mirrored, self.classes, self.settings, self.device, self.listener.say
            )
        return self._heads

    def outside(self) -> dict[str, Any]:
        """Return where the fit of the run's own model saves itself and what it logs, as `fit` takes it."""
        if not self.team.leads:
            return {}
        return {
            "log_folder": self.folder / "tensorboard",
            "progress": self.listener.epochs,
            "checkpoint": self.saves("fit"),
            "history": self.folder / "fit_history.csv",
        }

    def saves(self, name: str) -> Path:
        """Return the checkpoint of one of the run's fits."""
        return self.checkpoints / f"{name}.pt"

    def timelines(self) -> tuple[list[Track], list[np.ndarray]]:
        """Return every track with its logits `(n, K)`, one row a sampled time.

        With folds they come from the model that had not seen the track's group, and its split is test.
        """
        if self.held_out:
            from kinema.training.folding import as_test

            return as_test(self.tracks), [self.held_out[i] for i in range(len(self.tracks))]
        if self._logits is None:
            model = self.recognizer.factorised
            self._logits = [track_logits(model, track) for track in self.tracks]
        return self.tracks, self._logits

    def manifest_of_tracks(self) -> Manifest:
        """Return the rows of the manifest that could be read."""
        rows = [track.segment.row for track in self.tracks]
        return self.manifest.replace(self.manifest.table.iloc[rows].reset_index(drop=True))

    def description(self) -> str:
        """Say what the data is, and what of it could not be read."""
        left_out = "".join(f"\nleft out, not readable: {line}" for line in self.problems)
        return self.manifest.describe() + left_out

    def _fit_pixels(self) -> FitResult:
        """Train on clips of pixels."""
        self.listener.stage("opening the videos")
        found: tuple[list[Segment], list[str]] = ([], [])
        if self.team.leads:
            found = openable(self.manifest.segments())
            _refuse_unlearnable(*found)
        segments, _ = self.team.told(found)
        self.listener.stage("training, backbone included")
        return fit_pixels(
            self.recognizer.model, segments, self.classes, self.recognizer.spec, self.settings, team=self.team,
            device=self.device, say=self.listener.say, **self.outside(),
        )  # fmt: skip

    def _follow_all(self) -> None:
        """Look at every video with what was learned from pixels."""
        self.recognizer.forget_embedder()
        if isinstance(self.recognizer.model, FactorisedModel):
            self.extract(flip=False)
        else:
            self.listener.stage("following the videos")
            followed = follow_segments(self.recognizer, self.manifest.segments(), self.listener.items)
            self.tracks, self._logits, self.problems = followed.tracks, followed.logits, followed.problems
            _refuse_unlearnable([track.segment for track in self.tracks], self.problems)

    def _report(self, result: FitResult) -> ReportData:
        self.listener.stage("measuring")
        self.tested = time.time(), time.time()
        tracks, logits = self.timelines()
        splits = split_scores(scores_of(tracks, logits, self.recognizer.spec.frames, self.classes))
        labels = [track.segment.label for track in tracks if track.segment.split == "train"]
        baselines = {MAJORITY: {n: majority_class(labels, to_video(p.clip)) for n, p in splits.items()}}  # type: ignore[arg-type,misc]
        averaged = self._frame_average()
        if averaged is not None:
            model, heads = averaged
            base_scores = split_scores(score_tracks(model, heads.tracks, self.classes))
            baselines[FRAME_AVERAGING] = {n: p.clip for n, p in base_scores.items()}  # type: ignore[misc]
        temperature, calibration = self._calibrated(splits)
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
            calibration=calibration,
            selected_on_valid="valid" in splits,
            data_description=self.description(),
            leaks=[str(leak) for leak in check_leaks(self.manifest)],
            split_by=self.manifest.split_by,
        )

    def _calibrated(self, splits: dict[str, SplitScores]) -> tuple[float | None, str]:
        """Return the temperature, None without one, and where it comes from."""
        if self.refit is not None:
            return self.refit.temperature, self.refit.calibration
        if "valid" not in splits:
            return None, ""
        found = fit_temperature(splits["valid"].clip)  # type: ignore[arg-type]
        why = f" ({found.note})" if found.note else ""
        return found.temperature, f"Temperature {found.temperature:.3f}, fitted on valid by log loss{why}."

    def _frame_average(self) -> tuple[FactorisedModel, HeadTraining] | None:
        """Fit the baseline without time, on the features of the model's own backbone.

        A model that has none is compared with those of the bundled image network, one of single pictures with nothing.
        """
        if self.recognizer.spec.frames == 1:
            return None
        heads = self.heads()
        if isinstance(self.recognizer.model, FactorisedModel):
            model = self.recognizer.factorised
            self.baseline = heads.frame_average(model, self._of("train"), self._of("valid"))
            return None if self.baseline is None else (self.baseline, heads)
        spec = self.recognizer.spec
        own = default_spec("frame_mlp", {})
        spec = replace(spec, mean=own.mean, std=own.std)
        plain = Recognizer(
            "frame_mlp", create_model("frame_mlp", len(self.classes), spec), spec, self.classes
        )
        plain.device = self.device
        cache = FeatureCache(plain.factorised.backbone, spec, plain.embedder)
        segments = [track.segment for track in self.tracks]
        self.listener.stage("measuring the baseline: features of single pictures")
        tracks = cache.extract(segments, progress=self.listener.items).readable()
        heads = HeadTraining(tracks, [], self.classes, _plain(self.settings), self.device, self.listener.say)
        split = {
            name: [i for i, t in enumerate(tracks) if t.segment.split == name] for name in ("train", "valid")
        }
        averaged = heads.frame_average(plain.factorised, split["train"], split["valid"])
        return None if averaged is None else (averaged, heads)

    def _of(self, split: str) -> list[int]:
        return [i for i, track in enumerate(self.tracks) if track.segment.split == split]


def _plain(settings: TrainSettings) -> TrainSettings:
    """Return how a head on features is trained by default, with the run's seed."""
    return TrainSettings(seed=settings.seed)


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

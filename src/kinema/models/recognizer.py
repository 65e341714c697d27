"""Recognizer: a model with its ClipSpec, its classes and where it comes from, as a folder that loads anywhere."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError, first_line
from kinema.files import atomic_path, write_json
from kinema.models.backbones import backbone_statistics
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.embedder import Embedder, create_embedder
from kinema.models.follow import Follower, create_follower
from kinema.models.prediction import Job, Prediction, TimelineChunk
from kinema.models.published import differences
from kinema.models.registry import create_model, model_entry
from kinema.models.runtimes.info import fingerprint_of
from kinema.models.runtimes.names import check_runtime
from kinema.models.timeline import FeatureChunk, embed_jobs, joined
from kinema.video import Source, open_source

_FORMAT = 1
_ROWS_A_CALL = 48


@dataclass
class StreamRow:
    """One sampled moment of a stream: `time` in seconds, `probabilities` `(K,)`, the picture, and seconds of inference."""

    time: float
    probabilities: NDArray[np.float32]
    picture: NDArray[np.uint8]
    seconds: float


@dataclass
class Recognizer:
    """A trained model that carries everything needed to use it.

    `recognizer.json` holds the model's name and settings, the ClipSpec, the classes in the order of the logits, the
    calibration temperature, thresholds and the provenance; `weights.safetensors` all tensors. There is no pickle.

    >>> recognizer = Recognizer.load("runs/demo")  # doctest: +SKIP
    >>> recognizer.predict("clip.mp4").label  # doctest: +SKIP
    'walking'
    """

    name: str
    model: VideoModel
    spec: ClipSpec
    classes: list[str]
    settings: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    thresholds: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"
    folder: Path | None = None
    runtime: str | None = None
    _embedder: Embedder | None = field(default=None, repr=False)
    _follower: Follower | None = field(default=None, repr=False)

    @classmethod
    def create(
        cls, name: str, classes: Sequence[str], spec: ClipSpec | None = None, **settings: Any
    ) -> Recognizer:
        """Build an untrained recognizer of a registered model."""
        spec = spec or default_spec(name, settings)
        model = create_model(name, len(classes), spec, **settings)
        return cls(name, model, spec, list(classes), settings)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: str = "auto", runtime: str | None = "auto"
    ) -> Recognizer:
        """Read a recognizer's folder, or a run folder that has one.

        `runtime` says what computes when videos are followed: a word of `kinema.models.runtimes.names.RUNTIMES`. `auto`
        is the fastest on this machine's processor, by a short measurement that is kept (`choose_runtime`); None is what
        training uses: ONNX Runtime for the features of single pictures, torch for the rest. Features for training and
        evaluation never depend on it.

        Raises `DataError` when the folder is incomplete, damaged or written by a newer version, or when its exported
        files belong to other weights; `UsageError` for an unknown runtime, and for one on a GPU that has none there.
        """
        if runtime is not None:
            check_runtime(runtime)
            if runtime not in ("auto", "torch") and device not in ("auto", "cpu"):
                raise UsageError(
                    f"runtime '{runtime}' computes on the processor: leave out device '{device}', or take runtime auto"
                )
        folder = _find(Path(path))
        try:
            stored = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
            if stored["format"] > _FORMAT:
                raise DataError(
                    f"{folder}: written by a newer kinema (format {stored['format']}); upgrade kinema"
                )
            spec = ClipSpec.from_dict(stored["clip"])
            name, settings, classes = stored["model"], dict(stored["settings"]), list(stored["classes"])
            temperature = float(stored["temperature"])
            thresholds, provenance = dict(stored["thresholds"]), dict(stored["provenance"])
            build = dict(settings)
            if "weights" in model_entry(name).settings:
                build["weights"] = "none"  # all tensors come from the file below
            model = create_model(name, len(classes), spec, **build)
        except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"{folder / 'recognizer.json'}: damaged, or of another version of kinema ({reason}); "
                "restore the file or train again"
            ) from error
        _load_tensors(model, name, classes, folder / "weights.safetensors")
        model.eval()
        return cls(
            name, model, spec, classes, settings, temperature, thresholds, provenance, device, folder, runtime,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the recognizer's folder; the JSON comes last, so that a folder with it is whole."""
        from safetensors.torch import save_file

        folder = Path(path)
        state = {key: value.detach().cpu().contiguous() for key, value in self.model.state_dict().items()}
        with atomic_path(folder / "weights.safetensors") as temporary:
            save_file(state, temporary)
        write_json(
            folder / "recognizer.json",
            {
                "format": _FORMAT,
                "model": self.name,
                "settings": self.settings,
                "clip": self.spec.to_dict(),
                "classes": self.classes,
                "temperature": self.temperature,
                "thresholds": self.thresholds,
                "provenance": self.provenance,
            },
        )
        self.folder = folder
        return folder

    @property
    def embedder(self) -> Embedder:
        """What computes the features of single pictures; created when first used."""
        if self._embedder is None:
            self._embedder = create_embedder(self.factorised.backbone, self.spec, self.device)
        return self._embedder

    @property
    def follower(self) -> Follower:
        """What follows a video picture by picture; created when first used."""
        if self._follower is None and self.runtime is not None:
            from kinema.models.runtimes.opening import open_follower

            self._follower = open_follower(self, self.runtime)
        if self._follower is None:
            embedder = self.embedder if isinstance(self.model, FactorisedModel) else None
            self._follower = create_follower(self.model, self.spec, self.device, embedder)
        return self._follower

    def fingerprint(self) -> str:
        """Return a hash of all that the probabilities depend on besides the pictures; exported files carry it."""
        return fingerprint_of(self.name, self.settings, self.spec, self.classes, self.temperature, self.model)

    def forget_embedder(self) -> None:
        """Make the next use take the weights as they are now."""
        self._embedder = self._follower = None

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the calibrated probabilities `(..., K)` of logits `(..., K)`."""
        scaled = logits / self.temperature
        scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        result: NDArray[np.float32] = (scaled / scaled.sum(axis=-1, keepdims=True)).astype(np.float32)
        return result

    def predict(
        self, video: str | os.PathLike[str] | Source, start: float | None = None, end: float | None = None
    ) -> Prediction:
        """Look at a whole video, or at its seconds from `start` to `end`.

        Raises `DataError` when it cannot be read or has no frame there.
        """
        job = Job(video if isinstance(video, Source) else Path(video), start, end)
        chunks = list(self.timeline([job]))
        if chunks[-1].error is not None:
            raise chunks[-1].error
        logits = np.concatenate([chunk.logits for chunk in chunks])
        return Prediction(
            self.classes,
            np.concatenate([chunk.times for chunk in chunks]),
            self.probabilities(logits),
            np.concatenate([chunk.full for chunk in chunks]),
        )

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
        """Yield the logits of every window of all jobs as they come; memory does not grow with a video's length."""
        states: dict[int, Any] = {}
        counts: dict[int, int] = {}
        waiting: dict[int, list[FeatureChunk]] = {}
        follower = self.follower
        for part in embed_jobs(
            jobs, self.spec, follower.embed, batch_size=batch_size, at_a_time=follower.at_a_time
        ):
            held = waiting.setdefault(part.job, [])
            held.append(part)
            # A call of the head costs the samples before its first window as well: few large calls are cheaper.
            if not part.last and sum(len(chunk.times) for chunk in held) < _ROWS_A_CALL:
                continue
            chunk = joined(waiting.pop(part.job))
            seen = counts.get(chunk.job, 0)
            count = len(chunk.times)
            logits = np.zeros((0, len(self.classes)), np.float32)
            if count:
                logits, states[chunk.job] = follower.advance(chunk.features, states.get(chunk.job))
                counts[chunk.job] = seen + count
            full = np.arange(seen + 1, seen + count + 1) >= self.spec.frames
            error = chunk.error
            if chunk.last:
                states.pop(chunk.job, None)
                if error is None and counts.pop(chunk.job, 0) == 0:
                    error = _nothing_seen(jobs[chunk.job])
            yield TimelineChunk(
                chunk.job,
                chunk.times,
                logits,
                full,
                chunk.frame_times,
                chunk.frame_indices,
                chunk.last,
                error,
                chunk.problems,
            )

    def stream(self, source: Source | str | os.PathLike[str]) -> Iterator[StreamRow]:
        """Yield a row for each sampled moment as soon as its frame arrives, at one backbone pass each
        (a model of whole clips: one pass every `stride` moments).

        The probabilities are those that `predict` gives for the window that ends at that moment.
        """
        state: Any = None
        with ExitStack() as stack:
            opened = source if isinstance(source, Source) else stack.enter_context(open_source(source))
            for picture in self.spec.pictures(opened):
                began = time.perf_counter()
                logits, state = self.follower.step(picture.image, state)
                yield StreamRow(
                    picture.time, self.probabilities(logits), picture.image, time.perf_counter() - began
                )

    @property
    def factorised(self) -> FactorisedModel:
        """The model, where it has features of single pictures; `UsageError` where it has none."""
        if not isinstance(self.model, FactorisedModel):
            raise UsageError(f"model '{self.name}' has no features of single pictures")
        return self.model


def default_spec(name: str, settings: dict[str, Any]) -> ClipSpec:
    """Return the ClipSpec that a model wants: its own, with the mean and std that its backbone was trained with."""
    spec = model_entry(name).spec
    if "backbone" in settings:
        mean, std = backbone_statistics(str(settings["backbone"]))
        spec = replace(spec, mean=mean, std=std)
    return spec


def _find(path: Path) -> Path:
    for folder in (path, path / "recognizer"):
        if (folder / "recognizer.json").is_file():
            return folder
    if not path.exists():
        raise DataError(
            f"{path}: no such folder; give a run folder, such as runs/demo, or a recognizer's folder"
        )
    raise DataError(f"{path}: holds no recognizer.json; give a run folder whose training ended, or train one")


def _load_tensors(model: VideoModel, name: str, classes: list[str], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; the recognizer is incomplete, copy its whole folder") from error
    except SafetensorError as error:
        raise DataError(f"{path}: damaged ({first_line(error)}); copy the whole folder again") from error
    own = model.state_dict()
    found = differences(own, stored)
    if found:
        # Where nothing but the rows of the classifier differ, it is the list of classes that does.
        rows = {len(stored[key]) for key in own if key in stored and stored[key].shape != own[key].shape}
        if set(own) == set(stored) and len(rows) == 1:
            found = f"weights of {rows.pop()} classes, and the list has {len(classes)}"
        raise DataError(
            f"{path}: does not fit its recognizer.json, a '{name}' for {', '.join(classes[:5])}"
            f"{', …' if len(classes) > 5 else ''}: {found}; copy the whole folder again"
        )
    model.load_state_dict(stored)


def _nothing_seen(job: Job) -> DataError:
    name = job.video.name if isinstance(job.video, Source) else job.video
    where = (
        ""
        if job.start is None and job.end is None
        else f" between {job.start or 0:g} s and {job.end or 'the end'}"
    )
    return DataError(f"{name}: no frame could be decoded{where}; leave it out, or encode it again")

"""Takes in, a recognizer out: the training of `kinema train` on a handful of short videos, and its estimate."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from kinema import __version__
from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.data.takes import NOTHING, checked_label, readiness, tell_sides
from kinema.errors import DataError, UsageError
from kinema.evaluation.evaluate import protocol_sentence
from kinema.models import Recognizer, default_spec
from kinema.training.settings import TrainSettings
from kinema.training.teaching.estimate import Estimate, estimate
from kinema.training.teaching.saving import save
from kinema.training.teaching.words import Verdict, verdict
from kinema.training.train import DEFAULT_MODEL
from kinema.training.work import Listener, Work

Tell = Callable[[float, str], None]

# A handful of takes gives a step or two an epoch where hundreds of videos give many; the default's batch would be all of them.
SETTINGS: dict[str, Any] = {"epochs": 20, "batch_size": 32, "windows": 8}


@dataclass(frozen=True, slots=True)
class Take:
    """A short video of one action. `name` tells takes apart; takes of one `group` (default: the name) are tested together."""

    name: str
    video: Path
    label: str
    group: str | None = None


@dataclass
class Taught:
    """What was learned. `estimate` is None where there are too few takes for one; `problems` names takes that could not be read.

    `seconds` of each phase: features, estimate, training, writing.
    """

    recognizer: Recognizer
    estimate: Estimate | None
    verdict: Verdict
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def teach(
    takes: Sequence[Take],
    folder: str | os.PathLike[str],
    *,
    title: str | None = None,
    mirror: bool | None = None,
    settings: TrainSettings | dict[str, Any] | None = None,
    model: str = DEFAULT_MODEL,
    clip: dict[str, Any] | None = None,
    device: str = "auto",
    tell: Tell = lambda share, text: None,
    **model_settings: Any,
) -> Taught:
    """Teach a recognizer the actions of `takes`, test it by leaving takes out, and write it to `folder`.

    - `mirror`: learn from mirrored pictures, too, so that the other hand counts as well. None: unless a label names left or
      right (`tell_sides`). A mirrored take is only ever learned from together with its take.
    - `settings`: changes to the `TrainSettings` that suit a few takes. `model`, `clip`, `model_settings`: as in `train`; the
      backbone must stay frozen.
    - `tell(share, text)` hears how far it is, 0 to 1.

    The label `nothing` is what is done in between: it is kept as background, which makes no events. `folder` holds the
    recognizer (`Recognizer.load`), its rules of events and `estimate.json`; it appears whole, in place of one that was there.

    >>> taught = teach([Take("1", Path("wave1.mp4"), "wave"), Take("2", Path("clap1.mp4"), "clap")], "mine")  # doctest: +SKIP
    >>> taught.verdict.headline  # doctest: +SKIP
    'Too few takes for an estimate'

    Raises `DataError` for takes that cannot be read or learned from, `UsageError` for settings that do not exist.
    """
    labels = _labels(takes)
    mirror = not tell_sides(labels) if mirror is None else mirror
    given = settings.to_dict() if isinstance(settings, TrainSettings) else {**SETTINGS, **(settings or {})}
    chosen = TrainSettings.from_dict({**given, "flip": mirror})
    spec = ClipSpec.from_dict({**default_spec(model, model_settings).to_dict(), **(clip or {})})
    clock = _Clock()
    tell(0.0, "opening the backbone")
    torch.manual_seed(chosen.seed)
    recognizer = Recognizer.create(model, labels, spec, **model_settings)
    recognizer.device = device
    if not recognizer.factorised.backbone.frozen:
        raise UsageError(f"model '{model}': teaching needs a frozen backbone; leave out freeze=false")
    untrained = deepcopy(recognizer.factorised.head)
    manifest = _manifest(takes)
    listener = Listener(
        items=lambda done, total: tell(0.1 + 0.4 * done / max(1, total), "looking at the takes")
    )
    work = Work(recognizer, manifest, chosen, device, listener, Path(), Path())
    with clock.phase("features"):
        work.extract(mirror)
    heads = work.heads()
    found: Estimate | None = None
    counts = {label: sum(t.segment.label == label for t in work.tracks) for label in labels}
    left = readiness(counts)
    if not left.can_train:
        raise DataError(f"{len(work.problems)} takes cannot be read, first: {work.problems[0]}. {left.text}")
    with clock.phase("estimate"):
        if left.can_estimate:
            found = estimate(
                heads,
                recognizer.factorised,
                untrained,
                lambda done, total: tell(
                    0.5 + 0.4 * done / total, f"testing on takes it has not seen, {done} of {total}"
                ),
            )
    tell(0.92, "learning from all takes")
    with clock.phase("training"):
        fitted = heads.fit(recognizer.factorised, range(len(work.tracks)), [])
        if fitted.interrupted:
            raise KeyboardInterrupt
    recognizer.temperature = found.temperature if found else 1.0
    said = verdict(found, counts)
    recognizer.provenance = _provenance(
        recognizer, manifest, counts, chosen, mirror, found, clock.total, title
    )
    tell(0.97, "writing the recognizer")
    background = (NOTHING,) if NOTHING in labels else ()
    with clock.phase("writing"):
        save(recognizer, Path(folder), title=title, background=background, estimate=found, verdict=said)
    tell(1.0, said.headline)
    return Taught(recognizer, found, said, work.problems, clock.seconds)


def _labels(takes: Sequence[Take]) -> list[str]:
    """Return the labels in the order of their first takes, nothing last."""
    labels = list(dict.fromkeys(take.label for take in takes))
    for label in labels:
        if checked_label(label) != label:
            raise UsageError(f"'{label}': write this action as '{checked_label(label)}'")
    names = [take.name for take in takes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"take '{twice}': two takes have this name; give each its own")
    state = readiness({label: sum(take.label == label for take in takes) for label in labels})
    if not state.can_train:
        raise DataError(f"{len(takes)} takes of {len(labels)} actions: {state.text}")
    return sorted(labels, key=lambda label: label == NOTHING)


def _manifest(takes: Sequence[Take]) -> Manifest:
    return Manifest(
        {
            "video": [str(take.video.absolute()) for take in takes],
            "label": [take.label for take in takes],
            "group": [take.group or take.name for take in takes],
        },
        source_format="takes",
    ).validate()


def _provenance(
    recognizer: Recognizer,
    manifest: Manifest,
    counts: dict[str, int],
    settings: TrainSettings,
    mirror: bool,
    found: Estimate | None,
    seconds: float,
    title: str | None,
) -> dict[str, Any]:
    """As `kinema train` writes it, where the fields have a meaning here."""
    how = (
        "each take was tested by a head that had learned from the others" if found else "no take was held out"
    )
    values: dict[str, Any] = {
        "kinema": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": f"takes of {title or ', '.join(recognizer.classes)}",
        "data_fingerprint": manifest.fingerprint(content=True),
        "train_labels": counts,
        "mirrored": mirror,
        "seed": settings.seed,
        "training": settings.to_dict(),
        "seconds": round(seconds, 1),
        "protocol": protocol_sentence(recognizer, how),
    }
    if found is not None:
        low, high = found.interval
        top1 = {"value": found.share, "low": low, "high": high, "groups": found.total}
        values["calibration"] = (
            f"Temperature {found.temperature:.3f}, fitted on takes that were held out; this head has learned from them, too."
        )
        values["metrics"] = {"split": "takes left out", "unit": "video", "top1": top1, "items": found.total}
    return values


class _Clock:
    """Seconds of each phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    @property
    def total(self) -> float:
        return time.perf_counter() - self._began

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began

"""How well takes are told apart: each take is tested once by a head that has not seen it, nor its mirror image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

from kinema.evaluation.bootstrap import clopper_pearson
from kinema.evaluation.calibration import fit_temperature
from kinema.evaluation.cross_validation import pool_folds
from kinema.evaluation.scores import Scores, to_video
from kinema.models import FactorisedModel, TemporalHead
from kinema.training.features import Track
from kinema.training.head_training import HeadTraining
from kinema.training.scoring import score_tracks

MOST_FOLDS = 24
"""Takes are left out one at a time up to this number; of more, so many parts are made and left out one at a time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of one take by a head that had not seen it: `answer` with its calibrated `probability`."""

    take: str
    label: str
    answer: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the take was taken for what it is."""
        return self.label == self.answer


@dataclass(frozen=True)
class Estimate:
    """The answers for all takes, and the `temperature` that fits them. `labels` are in the order of the logits.

    The interval is the exact binomial one (Clopper and Pearson 1934), a trial a take. It speaks of takes like these: of the
    same sitting, with the same person, light and background.
    """

    labels: list[str]
    answers: list[Answer]
    temperature: float = 1.0

    @property
    def total(self) -> int:
        """How many takes were tested."""
        return len(self.answers)

    @property
    def right(self) -> int:
        """How many were taken for what they are."""
        return sum(answer.right for answer in self.answers)

    @property
    def share(self) -> float:
        """The accuracy, 0 to 1."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return clopper_pearson(self.right, self.total)

    @property
    def chance(self) -> float:
        """The accuracy of always saying the label that has the most takes."""
        return max(len(self.of(label)) for label in self.labels) / self.total

    def of(self, label: str) -> list[Answer]:
        """Return the answers for the takes of one label."""
        return [answer for answer in self.answers if answer.label == label]

    def mistaken(self) -> list[Answer]:
        """Return the answers that were wrong, the surest first."""
        return sorted((a for a in self.answers if not a.right), key=lambda answer: -answer.probability)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it ready for JSON."""
        low, high = self.interval
        return {
            "protocol": "leave one take out" if self.total <= MOST_FOLDS else f"{MOST_FOLDS} folds of takes",
            "takes": self.total,
            "right": self.right,
            "accuracy": self.share,
            "low": low,
            "high": high,
            "chance": self.chance,
            "temperature": self.temperature,
            "labels": [
                {
                    "label": label,
                    "takes": len(self.of(label)),
                    "right": sum(answer.right for answer in self.of(label)),
                    "taken_for": {
                        other: sum(answer.answer == other for answer in self.of(label))
                        for other in self.labels
                    },
                }
                for label in self.labels
            ],
            "answers": [{**asdict(answer), "right": answer.right} for answer in self.answers],
        }


def estimate(
    heads: HeadTraining,
    model: FactorisedModel,
    untrained: TemporalHead,
    progress: Callable[[int, int], None] | None = None,
) -> Estimate:
    """Leave out one take at a time, fit `untrained` on the others, and ask it about the one.

    `heads` holds the tracks, a take a group, and their mirror images under the same numbers; `model` the backbone and the
    clip. `progress(done, total)` counts folds.
    """
    tracks = heads.tracks
    parts = leave_out([_group(track) for track in tracks], heads.targets(range(len(tracks))))
    tested: list[Scores] = []
    for number, held in enumerate(parts):
        train = [i for i in range(len(tracks)) if i not in set(held)]
        fresh = FactorisedModel(len(heads.classes), model.frames, model.backbone, deepcopy(untrained))
        fitted = heads.fit(fresh, train, [])
        if fitted.interrupted:  # half a fold is no measurement
            raise KeyboardInterrupt
        own = [replace(tracks[i], segment=replace(tracks[i].segment, split="test")) for i in held]
        tested.append(score_tracks(fresh, own, heads.classes))
        if progress is not None:
            progress(number + 1, len(parts))
    pooled = pool_folds(tested)
    temperature = fit_temperature(pooled).temperature
    video = to_video(pooled, temperature)
    probabilities = video.probabilities()
    answers = [
        Answer(str(group), str(label), heads.classes[int(said)], float(row[said]))
        for group, label, said, row in zip(
            video.table["group"], video.table["label"], video.predictions, probabilities, strict=True
        )
    ]
    return Estimate(list(heads.classes), answers, temperature)


def leave_out(groups: Sequence[str], targets: Sequence[int], most: int = MOST_FOLDS) -> list[list[int]]:
    """Return the rows that are tested together: a group at a time, or `most` parts of about equal classes.

    >>> leave_out(["a", "b", "a", "c"], [0, 0, 0, 1])
    [[0, 2], [1], [3]]
    """
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    blocks = list(rows.values())
    if len(blocks) <= most:
        return blocks
    # Dealt out class by class, as cards are, so that no part holds many of one class.
    dealt = sorted(blocks, key=lambda block: targets[block[0]])
    return [sorted(row for block in dealt[start::most] for row in block) for start in range(most)]


def _group(track: Track) -> str:
    return str(track.segment.group or track.segment.name)

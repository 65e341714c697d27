"""How many labels active learning saves against random choice: a simulated experiment on clips whose labels are known.

    python benchmarks/active.py DATA [--sets NAME…] [--seeds 10] [--step 6] [--most 60] [--learner head] [--json out.json]

DATA holds `ut-interaction/` (six actions, a group a sequence; its two sets are simulated apart) and `fights/` (two classes, a
group a block of ten neighbours). Fifteen strategies were compared on set 1, so that what is
saved there is optimistic.
Five folds by group: each fold is tested on with what was learned from the others, its pool. Everybody begins with the same
clip of each class, drawn at random. Then, round by round, a strategy of `kinema mine next` chooses `--step` more clips of the
pool, their labels are looked up, and the recognizer is trained anew from nothing. A seed changes the first clips, the folds
and what is drawn at random; every clip is tested once a seed.

Learner: `linear`, a logistic regression of what the default model's last layer sees of a clip (moments over time of the bundled
network's features, standardised over all clips, blocks of length 1), or `head`, the default model's own head, trained as
`kinema train` does without valid.

Rounds end at `--most` labels, or at three quarters of the pool. Reported, for each strategy, is top-1 over the number of labels;
the mean difference to random over all rounds; and the labels saved: how many fewer it needs for what random choice reaches
with half and with four fifths of the labels in the end. Intervals
(95 %) by bootstrap over the groups, seeds averaged. Strategies are those of the library, with its defaults; whatever comes out
is printed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common import machine, parser, say_machine, table, write
from kinema.data import Manifest, assign_groups, folds, read_data
from kinema.evaluation.bootstrap import bootstrap, sum_by_group
from kinema.mining.active import STRATEGIES, choose_next, view_clips
from kinema.models import Recognizer
from kinema.models.motion_moments import MotionMoments
from kinema.training import FeatureCache, TrainSettings
from kinema.training.batches import Windows, describe_tracks
from kinema.training.train import DEFAULT_MODEL
from kinema.tuning.quick_fit import WindowTable, quick_fit, video_probabilities

FOLDS = 5
RANDOM = "random"


@dataclass
class Clips:
    """A data set ready to be simulated on: N clips, windows of their features, and what the library sees of them."""

    manifest: Manifest
    targets: NDArray[np.int64]
    recognizer: Recognizer
    windows: Windows
    described: NDArray[np.float64]  # (N, < N): what the linear learner sees
    features: NDArray[np.float32]  # (N, 512): as `kinema mine next` describes clips

    @property
    def groups(self) -> NDArray[np.str_]:
        return self.manifest.table["group"].to_numpy(str)


def read(data: Path, name: str) -> Manifest:
    """Return a data set with its groups."""
    folder, _, part = name.partition("-set")
    manifest = read_data(data / folder)
    manifest = assign_groups(manifest, block=10) if folder == "fights" else assign_groups(manifest)
    if not part:
        return manifest
    own = manifest.table["group"].astype(str).str.startswith(f"set{part}_")
    return manifest.replace(manifest.table[own].reset_index(drop=True))


def prepared(manifest: Manifest) -> Clips:
    """Compute or find the features of all clips, once for all seeds and strategies."""
    recognizer = Recognizer.create(DEFAULT_MODEL, manifest.classes)
    model: Any = recognizer.factorised
    cache = FeatureCache(model.backbone, recognizer.spec, recognizer.embedder)
    extraction = cache.extract(manifest.segments())
    if extraction.problems:
        raise SystemExit(f"{len(extraction.problems)} clips cannot be read; first: {extraction.problems[0]}")
    tracks = extraction.readable()
    windows = describe_tracks(model.head, tracks, max(1, model.frames // 4))
    model.head.prepare(windows.described.float())
    means = []
    with torch.inference_mode():
        for rows in windows.rows(range(len(tracks))):
            units = model.head.unit_blocks(windows.described[torch.from_numpy(rows)].float())
            means.append(torch.cat(units, dim=1).mean(0).numpy() / len(units) ** 0.5)
    every = np.stack(means).astype(np.float64)
    every -= every.mean(axis=0)
    # As many directions as clips hold all distances among them.
    left, sizes, _ = np.linalg.svd(every, full_matrices=False)
    targets = np.array([manifest.classes.index(label) for label in manifest.table["label"]])
    views = view_clips(recognizer, manifest.segments())
    return Clips(manifest, targets, recognizer, windows, left * sizes, views.features)


def linear(clips: Clips, learned: Sequence[int], asked: Sequence[int]) -> NDArray[np.float64]:
    """Return probabilities `(len(asked), K)` after learning from clips."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=30.0, max_iter=300, class_weight="balanced")
    model.fit(clips.described[list(learned)], clips.targets[list(learned)])
    found = np.zeros((len(asked), len(clips.manifest.classes)))
    found[:, model.classes_] = model.predict_proba(clips.described[list(asked)])
    return found


def head(clips: Clips, learned: Sequence[int], asked: Sequence[int]) -> NDArray[np.float64]:
    """The same with the default model's head and training."""
    torch.manual_seed(0)
    backbone, spec = clips.recognizer.factorised.backbone, clips.recognizer.spec
    own = MotionMoments(backbone.parts, len(clips.manifest.classes), spec.frames)
    parts = [clips.windows.described[torch.from_numpy(rows)] for rows in clips.windows.rows(learned)]
    own.prepare(torch.cat(parts).float())
    targets = [int(clips.targets[i]) for i in learned]
    own.choose(parts, targets, [clips.groups[i] for i in learned])
    windows = WindowTable([clips.windows.described], [clips.windows.first])
    quick_fit(own, windows, list(learned), targets, TrainSettings(flip=False))
    return video_probabilities(own, windows, list(asked))


LEARNERS = {"linear": linear, "head": head}


def simulate(
    clips: Clips,
    pool: Sequence[int],
    test: Sequence[int],
    strategy: str,
    rounds: Sequence[int],
    learner: str,
    seed: int,
) -> NDArray[np.bool_]:
    """Return whether each clip of `test` is told right after each round: `(len(rounds), len(test))`."""
    rng = np.random.default_rng([seed, len(pool)])
    learn = LEARNERS[learner]
    known = [
        int(rng.choice([i for i in pool if clips.targets[i] == k]))
        for k in np.unique(clips.targets[list(pool)])
    ]
    right = np.zeros((len(rounds), len(test)), np.bool_)
    for number, labels in enumerate(rounds):
        left = [i for i in pool if i not in set(known)]
        wanted = min(labels - len(known), len(left))
        if wanted > 0:
            known += chosen(clips, known, left, strategy, wanted, learn, rng)
        right[number] = learn(clips, known, test).argmax(axis=1) == clips.targets[list(test)]
    return right


def chosen(
    clips: Clips,
    known: list[int],
    left: list[int],
    strategy: str,
    count: int,
    learn: Any,
    rng: np.random.Generator,
) -> list[int]:
    """Return which clips are labelled next."""
    if strategy == RANDOM:
        return [int(i) for i in rng.choice(left, count, replace=False)]
    picks = choose_next(
        clips.features[left], learn(clips, known, left), clips.features[known], clips.targets[known].tolist(), count,
        strategy=strategy,
    )  # fmt: skip
    return [left[pick.row] for pick in picks]


def needed(curve: NDArray[np.float64], rounds: NDArray[np.float64], level: float) -> float:
    """Return how many labels a curve needs to reach an accuracy for the first time; the last round where it never does."""
    best = np.maximum.accumulate(curve)
    if level <= best[0]:
        return float(rounds[0])
    if level > best[-1]:
        return float(rounds[-1])
    after = int(np.searchsorted(best, level))
    step = (level - best[after - 1]) / max(1e-12, best[after] - best[after - 1])
    return float(rounds[after - 1] + step * (rounds[after] - rounds[after - 1]))


def saved(
    curves: NDArray[np.float64], strategy: int, rounds: NDArray[np.float64], labels: float
) -> NDArray[np.float64]:
    """Return for curves `(B, S, R)`, random's first, which share of `labels` a strategy saves for what random reaches.

    -1 stands for twice as many labels, and for more.
    """
    found = []
    for own in curves:
        level = float(np.interp(labels, rounds, np.maximum.accumulate(own[0])))
        # Random itself may have reached the level earlier: it is held against where it first did.
        share = needed(own[strategy], rounds, level) / max(needed(own[0], rounds, level), 1e-9)
        found.append(max(-1.0, 1 - share))
    return np.array(found)


def experiment(clips: Clips, options: Any) -> dict[str, Any]:
    names = [RANDOM, *options.strategies]
    classes = len(clips.manifest.classes)
    most = min(options.most, int(0.75 * (1 - 1 / FOLDS) * len(clips.targets)))
    rounds = [classes, *range(classes + options.step, most + 1, options.step)]
    hits = np.zeros((len(clips.targets), len(names), len(rounds)))
    full = np.zeros(len(clips.targets))
    began = time.perf_counter()
    for seed in range(options.seeds):
        for fold in folds(clips.manifest, FOLDS, seed):
            held = (fold.table["split"] == "test").to_numpy()
            pool, test = np.flatnonzero(~held).tolist(), np.flatnonzero(held).tolist()
            for number, name in enumerate(names):
                right = simulate(clips, pool, test, name, rounds, options.learner, seed)
                hits[test, number] += right.T / options.seeds
            full[test] += (
                LEARNERS[options.learner](clips, pool, test).argmax(1) == clips.targets[test]
            ) / options.seeds
    columns = np.concatenate([hits.reshape(len(hits), -1), full[:, None], np.ones((len(hits), 1))], axis=1)
    sums = sum_by_group(columns, clips.groups)
    shape = (-1, len(names), len(rounds))
    at = np.array(rounds, np.float64)

    def curves(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        return (drawn[:, :-2] / drawn[:, -1:]).reshape(shape)

    def gain(drawn: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        own = curves(drawn)
        return np.asarray(
            (own[:, number] - own[:, 0])[:, 1:].mean(axis=1)
        )  # the first round is the same for all

    def saving(drawn: NDArray[np.float64], number: int, labels: float) -> NDArray[np.float64]:
        return saved(curves(drawn), number, at, labels)

    result: dict[str, Any] = {
        "clips": len(clips.targets), "groups": len(sums), "rounds": rounds, "most": most, "seconds": time.perf_counter() - began,
        "full": float(full.mean()),
        "top1": {name: hits[:, number].mean(axis=0).round(4).tolist() for number, name in enumerate(names)},
        "strategies": {},
    }  # fmt: skip
    for number, name in enumerate(names[1:], start=1):
        result["strategies"][name] = {
            "gain": bounds(bootstrap(sums, partial(gain, number=number))),
            **{
                f"saved at {share:g}": bounds(
                    bootstrap(sums, partial(saving, number=number, labels=share * most), resamples=1000)
                )
                for share in (0.5, 0.8)
            },
        }
    return result


def bounds(interval: Any) -> dict[str, Any]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def said(part: dict[str, Any], scale: float = 100, sign: str = "+") -> str:
    if part["low"] is None:
        return f"{scale * part['value']:{sign}.1f}"
    return f"{scale * part['value']:{sign}.1f} ({scale * part['low']:{sign}.1f} to {scale * part['high']:{sign}.1f})"


def show(name: str, result: dict[str, Any], options: Any) -> None:
    print(
        f"\n{name}: {result['clips']} clips of {result['groups']} groups, {FOLDS} folds, {options.seeds} seeds, "
        f"learner {options.learner}; with the labels of the whole pool {100 * result['full']:.1f} %; "
        f"{result['seconds']:.0f} s"
    )
    some = [i for i in range(len(result["rounds"])) if i % max(1, len(result["rounds"]) // 8) == 0]
    rows = [[way, *(f"{100 * top1[i]:.1f}" for i in some)] for way, top1 in result["top1"].items()]
    print(table(["top-1 (%) with labels", *(str(result["rounds"][i]) for i in some)], rows))
    half, most = 0.5 * result["most"], 0.8 * result["most"]
    rows = [
        [way, said(part["gain"]), said(part["saved at 0.5"]), said(part["saved at 0.8"])]
        for way, part in result["strategies"].items()
    ]
    titles = ["against random", "points, mean of rounds", f"labels saved at {half:g} (%)", f"at {most:g} (%)"]
    print(table(titles, rows))


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("data", type=Path)
    asked.add_argument("--sets", nargs="+", default=["ut-interaction-set1", "ut-interaction-set2", "fights"])
    asked.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--step", type=int, default=6, help="labels a round")
    asked.add_argument("--most", type=int, default=60, help="labels in the end")
    asked.add_argument("--learner", choices=sorted(LEARNERS), default="linear")
    options = asked.parse_args()
    facts = machine()
    say_machine(facts)
    result: dict[str, Any] = {"machine": facts, "learner": options.learner, "seeds": options.seeds}
    for name in options.sets:
        clips = prepared(read(options.data, name))
        result[name] = experiment(clips, options)
        show(name, result[name], options)
    write(options.json, result)


if __name__ == "__main__":
    main()

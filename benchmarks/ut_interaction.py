"""UT-Interaction by its standard protocol, beside what simpler and sillier classifiers reach.

    python benchmarks/ut_interaction.py FOLDER [--seeds 0 1 2] [--json out.json]

FOLDER holds a folder a class with clips named `setS_seqNN_*.avi` (Ryoo and Aggarwal 2010, the segmented clips).
Protocol: leave one sequence out, 10 folds, one set at a time, video-level top-1. `kinema` is
`kinema train FOLDER --folds group` with every setting at its default: bundled weights, 20 pictures at 10 a
second stretched to 224x224, no setting chosen on the folds. The seed changes the head's start and the draws;
the interval (95 %, bootstrap over the sequences) is that of the run's own report.

Beside it, on the same folds:

- majority class, and frame averaging (a linear classifier of the mean of the same features), from the report;
- logistic regression on the pooled features of the same frozen backbone: mean over time; mean, standard
  deviation and mean absolute difference over time (standardised, scikit-learn's defaults);
- the same on the clip's shape alone: width, height, aspect; and with its duration. The clips were cropped around
  the people, so a clip's size tells of its class, and stretching to a square lets a network see some of that;
- kinema with `resize=crop`, the centre square: the shape is not seen as distortion.

Times: the extraction of all features (mirrored ones too), a second extraction, which must compute nothing, and
the heads of all folds of both sets together (kinema's and frame averaging's), target below 120 s.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import machine, parser, say_machine, table, verdict, write
from kinema.data import ClipSpec, Manifest, assign_groups, folds, read_data
from kinema.models import Recognizer, model_entry
from kinema.training import FeatureCache, Listener, Track, train
from kinema.training.train import DEFAULT_MODEL
from kinema.video import open_source

TARGETS = {"set1": 0.88, "set2": 0.80}
SECONDS = 120
FITTING = "training "  # how the stages of `train` that fit the folds begin


@dataclass
class Stages(Listener):
    """Notes how long each stage of `train` takes."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._now, self._since = "", time.perf_counter()
        self.stage = self._stage

    def _stage(self, text: str) -> None:
        moment = time.perf_counter()
        self.seconds[self._now] = self.seconds.get(self._now, 0.0) + moment - self._since
        self._now, self._since = text, moment

    @property
    def folds(self) -> float:
        return sum(
            s for name, s in self.seconds.items() if name.startswith(FITTING) and name.endswith("folds")
        )


def sets_of(folder: Path) -> dict[str, Manifest]:
    """Return one manifest a set, the sequence being the group."""
    manifest = assign_groups(read_data(folder))
    names = manifest.table["group"].astype(str).str.extract(r"(set\d+)")[0]
    if names.isna().any():
        raise SystemExit(f"{folder}: clips must be named setS_seqNN_…")
    return {
        name: manifest.replace(manifest.table[names == name].reset_index(drop=True))
        for name in sorted(set(names))
    }


def extract(manifest: Manifest, clip: dict[str, Any]) -> tuple[list[Track], Recognizer, dict[str, Any]]:
    """Extract as `train` does, twice; return the tracks and what it took."""
    recognizer = Recognizer.create(DEFAULT_MODEL, manifest.classes, _spec(clip))
    embedder = recognizer.embedder
    cache = FeatureCache(recognizer.factorised.backbone, recognizer.spec, embedder)
    segments = manifest.segments()
    began = time.perf_counter()
    first = [cache.extract(segments), cache.extract(segments, mirrored=True)]
    middle, passes = time.perf_counter(), embedder.passes
    again = [cache.extract(segments), cache.extract(segments, mirrored=True)]
    facts = {
        "clips": len(segments),
        "computed": sum(e.computed for e in first),
        "pictures": passes,
        "seconds": middle - began,
        "second_computed": sum(e.computed for e in again) + embedder.passes - passes,
        "second_seconds": time.perf_counter() - middle,
    }
    return first[0].readable(), recognizer, facts


def _spec(clip: dict[str, Any]) -> ClipSpec:
    return ClipSpec.from_dict({**model_entry(DEFAULT_MODEL).spec.to_dict(), **clip})


def describe(tracks: list[Track], pooled: int) -> dict[str, NDArray[np.float64]]:
    """Return the inputs `(N, M)` of each simple classifier."""
    means, moments, shapes, lengths = [], [], [], []
    for track in tracks:
        features = np.asarray(track.features[:, -pooled:], np.float64)
        steps = np.abs(np.diff(features, axis=0)) if len(features) > 1 else features[:1] * 0
        means.append(features.mean(0))
        moments.append(np.concatenate([features.mean(0), features.std(0), steps.mean(0)]))
        with open_source(track.segment.video) as source:
            width, height = source.size
        shapes.append([width, height, width / height])
        lengths.append([track.frame_times[-1] - track.frame_times[0]])
    return {
        "logistic regression, mean": np.array(means),
        "logistic regression, mean, std, |difference|": np.array(moments),
        "clip's shape alone": np.array(shapes),
        "clip's shape and duration": np.concatenate([shapes, lengths], axis=1),
    }


def left_out(manifest: Manifest, inputs: NDArray[np.float64], make: Any) -> float:
    """Return top-1 over the folds that `train` uses."""
    labels, right = manifest.table["label"].to_numpy(), 0
    for fold in folds(manifest, "group"):
        test = (fold.table["split"] == "test").to_numpy()
        right += int((make().fit(inputs[~test], labels[~test]).predict(inputs[test]) == labels[test]).sum())
    return right / len(labels)


def linear() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def forest() -> Any:
    return RandomForestClassifier(300, random_state=0, n_jobs=1)


def simple(manifest: Manifest, clip: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    tracks, recognizer, facts = extract(manifest, clip)
    if len(tracks) != len(manifest.table):
        raise SystemExit("some clips cannot be read")
    pooled = int(np.prod(recognizer.factorised.backbone.parts[-1]))
    found = {}
    for name, inputs in describe(tracks, pooled).items():
        found[name] = left_out(manifest, inputs, linear)
        if name.startswith("clip's"):
            found[f"{name}, random forest"] = left_out(manifest, inputs, forest)
    return found, facts


def recognise(manifest: Manifest, seed: int, clip: dict[str, Any]) -> dict[str, Any]:
    stages = Stages()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = train(
            manifest, run=f"{folder}/run", k="group", clip=clip, settings={"seed": seed}, listener=stages
        )
        stages.stage("")
    report = run.results["report"]
    return {
        "top1": report["splits"]["test"]["video"]["top1"],
        "baselines": {name: by["test"]["top1"]["value"] for name, by in report["baselines"].items()},
        "folds_seconds": stages.folds,
        "stages": {name: round(seconds, 2) for name, seconds in stages.seconds.items() if name},
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--no-crop", action="store_true", help="leave out the runs with resize=crop")
    asked = options.parse_args()
    facts = machine()
    say_machine(facts)
    result: dict[str, Any] = {"machine": facts, "seeds": asked.seeds, "sets": {}}
    spent = dict.fromkeys(asked.seeds, 0.0)
    for name, manifest in sets_of(asked.folder).items():
        groups = manifest.table["group"].nunique()
        print(
            f"\n{name}: {len(manifest.table)} clips, {len(manifest.classes)} classes, {groups} sequences",
            flush=True,
        )
        found, times = simple(manifest, {})
        say_extraction(times)
        runs = {"kinema": runs_of(manifest, asked.seeds, {})}
        if not asked.no_crop:
            runs["kinema, resize=crop"] = runs_of(manifest, asked.seeds, {"resize": "crop"})
        for run in runs["kinema"]:
            spent[run["seed"]] += run["folds_seconds"]
        show(name, found, runs)
        result["sets"][name] = {
            "simple": found,
            "extraction": times,
            "runs": runs,
            "target": TARGETS.get(name),
        }
    slowest = max(spent.values())
    middle = statistics.median(spent.values())
    result["all_folds_seconds"] = {"per_seed": spent, "median": middle}
    result["load_at_end"] = os.getloadavg()[0]
    print(
        f"\nheads of all folds of all sets, one seed: {middle:.0f} s (slowest {slowest:.0f} s); target {SECONDS} s: "
        f"{verdict(middle < SECONDS)}; load average at the end {result['load_at_end']:.1f}"
    )
    write(asked.json, result)


def runs_of(manifest: Manifest, seeds: list[int], clip: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for seed in seeds:
        made.append({"seed": seed, **recognise(manifest, seed, clip)})
        value, took = made[-1]["top1"]["value"], made[-1]["folds_seconds"]
        print(f"  seed {seed} {clip or ''}: {value:.3f}, folds in {took:.0f} s", file=sys.stderr, flush=True)
    return made


def say_extraction(times: dict[str, Any]) -> None:
    if times["pictures"]:
        rate = times["pictures"] / times["seconds"]
        print(f"extraction: {times['pictures']} pictures in {times['seconds']:.1f} s, {rate:.0f} pictures/s")
    else:
        print("extraction: all features were in the cache (choose an empty KINEMA_CACHE to time it)")
    again = (
        "nothing" if not times["second_computed"] else f"{times['second_computed']} TRACKS, which is wrong"
    )
    print(f"second extraction: computed {again}, {times['second_seconds']:.2f} s")


def show(name: str, found: dict[str, float], runs: dict[str, list[dict[str, Any]]]) -> None:
    rows = []
    for title, made in runs.items():
        values = [run["top1"]["value"] for run in made]
        each = ", ".join(f"{value:.3f}" for value in values)
        first = made[0]["top1"]
        interval = f"{first['low']:.2f} to {first['high']:.2f} (seed {made[0]['seed']})"
        rows.append((title, f"{statistics.mean(values):.3f}", each, interval))
    for baseline in runs["kinema"][0]["baselines"]:
        values = [run["baselines"][baseline] for run in runs["kinema"]]
        rows.append((baseline, f"{statistics.mean(values):.3f}", ", ".join(f"{v:.3f}" for v in values), ""))
    rows += [(title, f"{value:.3f}", "", "") for title, value in found.items()]
    print(table(("video-level top-1", "mean", "each seed", "95 % interval"), rows))
    if name in TARGETS:
        mean = statistics.mean(run["top1"]["value"] for run in runs["kinema"])
        print(f"target {TARGETS[name]:.2f}: {verdict(mean >= TARGETS[name])}", flush=True)


if __name__ == "__main__":
    main()

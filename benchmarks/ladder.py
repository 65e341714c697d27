"""The default beside the published systems' own architectures, on the same splits and the same frozen weights.

    python benchmarks/ladder.py --ut FOLDER --fights FOLDER [--seed 0] [--only NAME …] [--keep FOLDER] [--json FILE]

UT-Interaction: leave one sequence out, a set at a time. Fights: 5 folds by blocks of ten neighbours, since neighbours in the
numbering can share a source. Video-level top-1 with the report's interval.

S1's VGG16-LSTM, S2's look-back LSTM and S4's MLP, concatenation and LRCN with their own clip (pictures, rate, size), layers and
dropout, on EfficientNet-Lite0's bundled ImageNet weights in place of VGG16's, which no package carries; the backbone frozen, as
S1 and S4 had it (S2 tuned its last four layers). `cnn_lstm` is S1's tuned network, trained from nothing as it was; it takes
an hour and more, and runs only with --only cnn_lstm. Settings of training are kinema's defaults; nothing is chosen on the folds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from common import machine, parser, say_machine, table, write
from kinema.data import Manifest, assign_groups, read_data
from kinema.models import BUNDLED
from kinema.training import resume, train
from ut_interaction import sets_of

_FROZEN = {"backbone": BUNDLED, "weights": "bundled", "freeze": True}
LADDER: dict[str, tuple[str, dict[str, Any]]] = {
    "S1 VGG16-LSTM": ("vgg16_lstm", _FROZEN),
    "S2 look-back LSTM": ("vgg16_look_back", {**_FROZEN, "train_layers": 0}),
    "S4 image_MLP_frozen": ("image_mlp", _FROZEN),
    "S4 video_MLP_concat": ("video_mlp_concat", _FROZEN),
    "S4 video_LRCNN_frozen": ("video_lrcnn", _FROZEN),
    "default": ("motion_moments", {}),
}
SCRATCH: dict[str, tuple[str, dict[str, Any]]] = {"cnn_lstm": ("cnn_lstm", {})}


def climb(
    manifest: Manifest, k: int | str, model: str, settings: dict[str, Any], seed: int, kept: Path | None
) -> dict[str, Any]:
    """Return the held-out result of one architecture; with `kept`, the run stays there and goes on where it stopped."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as other, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = kept or Path(other) / "run"
        if (folder / "results.json").exists():
            results = json.loads((folder / "results.json").read_text())
        elif (folder / "checkpoint" / "plan.json").exists():
            results = resume(folder).results
        else:
            results = train(
                manifest, model=model, run=str(folder), k=k, settings={"seed": seed}, **settings
            ).results
    report = results["report"]
    return {
        "top1": report["splits"]["test"]["video"]["top1"],
        "baselines": {name: by["test"]["top1"]["value"] for name, by in report["baselines"].items()},
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--ut", type=Path)
    options.add_argument("--fights", type=Path)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--keep", type=Path, help="keep the runs here; the same command goes on with one that was stopped"
    )
    options.add_argument("--only", nargs="+", choices=[*LADDER, *SCRATCH])
    asked = options.parse_args()
    if asked.ut is None and asked.fights is None:
        sys.exit("name the data: --ut FOLDER, --fights FOLDER")
    facts = machine()
    say_machine(facts)
    tasks: list[tuple[str, Manifest, int | str]] = []
    if asked.ut:
        tasks += [
            (f"UT-Interaction {name}", manifest, "group") for name, manifest in sets_of(asked.ut).items()
        ]
    if asked.fights:
        tasks.append(("fights", assign_groups(read_data(asked.fights), block=10), 5))
    result: dict[str, Any] = {"machine": facts, "seed": asked.seed, "tasks": {}}
    for name, manifest, k in tasks:
        rows: list[tuple[str, ...]] = []
        found = result["tasks"].setdefault(name, {})
        for title, (model, settings) in (LADDER | SCRATCH).items():
            if title not in (asked.only or LADDER):
                continue
            kept = asked.keep and asked.keep.absolute() / f"{name} {title} {asked.seed}".replace(" ", "_")
            made = found[title] = climb(manifest, k, model, settings, asked.seed, kept)
            top1 = made["top1"]
            interval = f"{top1['low']:.2f} to {top1['high']:.2f}" if top1.get("low") is not None else ""
            rows.append((title, f"{top1['value']:.3f}", interval, f"{made['seconds']:.0f}"))
            print(f"  {name}: {title} {top1['value']:.3f}", file=sys.stderr, flush=True)
        last = list(found.values())[-1]["baselines"]
        rows += [(f"baseline: {baseline}", f"{value:.3f}", "", "") for baseline, value in last.items()]
        print(f"\n{name}: {len(manifest.table)} clips")
        print(
            table(("video-level top-1", "seed " + str(asked.seed), "95 % interval", "seconds"), rows),
            flush=True,
        )
    write(asked.json, result)


if __name__ == "__main__":
    main()

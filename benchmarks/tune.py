"""A grid of over 1,000 heads on cached features of UT-Interaction: how long it takes on two cores.

    python benchmarks/tune.py FOLDER [--slice 48] [--whole RUN] [--jobs 2] [--json out.json]

FOLDER holds UT-Interaction's clips. The grid: seven kinds of heads with 1 to 3 layers, three sizes, two kernels, windows of 8
and 16 pictures, three dropouts and four learning rates; everything else as `kinema train` has it: all 20 epochs, nothing is
given up early.

The slice takes every n-th combination in this process, on one thread, and counts processor seconds, which a busy machine hardly
changes; from them follows the time of the whole on two cores. `--whole` runs all of it through `kinema.tuning.tune` with `--jobs`
processes and takes the time on the clock. The target: the whole in under 30 minutes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from common import machine, parser, say_machine, table, verdict, write
from kinema.data import read_data, split_by_group
from kinema.tuning import Space, Workshop, divide, tune
from kinema.tuning.names import TrialSettings

TARGET, CORES = 30 * 60, 2
GRID: dict[str, Any] = {
    "model": "lrcn",
    "fps": 8,
    "head": ["mean", "lstm", "gru", "rnn", "conv1d", "tcn", "attention"],
    "frames": [8, 16],
    "hidden": [32, 64, 128],
    "width": 64,
    "layers": [1, 2, 3],
    "kernel": [3, 5],
    "dropout": [0.2, 0.35, 0.5],
    "precision": "bf16-mixed",
    "learning_rate": [5e-4, 1e-3, 2e-3, 4e-3],
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument(
        "--slice", type=int, default=48, help="combinations that are timed in this process (48)"
    )
    options.add_argument("--whole", help="run the whole grid into this folder too")
    options.add_argument("--jobs", type=int, default=CORES)
    asked = options.parse_args()
    facts = machine()
    say_machine(facts)
    torch.set_num_threads(1)
    space = Space.of(GRID, grid=True)
    rows = space.combinations()
    manifest = split_by_group(read_data(asked.folder))
    pool, divisions = divide(manifest, None, 0)
    workshop = Workshop(pool, divisions, manifest.classes)
    began = time.perf_counter()
    for frames in GRID["frames"]:  # features, and a first table of windows of each length
        first = {
            "model": "lrcn",
            "fps": GRID["fps"],
            "head": "rnn",
            "frames": frames,
            "epochs": 1,
            "windows": 1,
        }
        workshop.score(TrialSettings.of(first))
    ready = time.perf_counter() - began
    chosen = rows[:: max(1, len(rows) // asked.slice)]
    spent: dict[str, list[float]] = {}
    clock = time.perf_counter()
    for row in chosen:
        since = time.process_time()
        workshop.score(TrialSettings.of(row))
        spent.setdefault(str(row["head"]), []).append(time.process_time() - since)
    clock = time.perf_counter() - clock
    each = sum(map(sum, spent.values())) / len(chosen)
    whole = each * len(rows) / CORES
    lines = [(head, len(found), f"{sum(found) / len(found):.2f}") for head, found in spent.items()]
    print(f"\n{len(manifest)} clips; {len(rows)} combinations, {len(chosen)} of them timed")
    print(f"features and windows ready in {ready:.0f} s")
    print(table(("head", "trials", "processor s each"), lines))
    print(
        f"{each:.2f} processor seconds a trial ({clock / len(chosen):.2f} s on the clock): {len(rows)} trials in "
        f"{whole / 60:.1f} min on {CORES} cores; target {TARGET / 60:.0f} min: {verdict(whole < TARGET)}"
    )
    result: dict[str, Any] = {
        "machine": facts, "combinations": len(rows), "timed": len(chosen), "processor_seconds_a_trial": each,
        "seconds_whole_estimated": whole, "processor_seconds_by_head": spent,
    }  # fmt: skip
    if asked.whole:
        began = time.perf_counter()
        found = tune(manifest, space, grid=True, run=asked.whole, jobs=asked.jobs, final=False)
        seconds = time.perf_counter() - began
        print(
            f"whole grid, {asked.jobs} processes: {len(found.table)} trials in {seconds / 60:.1f} min on the clock; best "
            f"{found.accuracy:.3f}; target: {verdict(seconds < TARGET)}"
        )
        result |= {"seconds_whole": seconds, "trials": len(found.table), "jobs": asked.jobs}
    write(asked.json, result)


if __name__ == "__main__":
    main()

"""Seconds until kinema is there: `import kinema` and `kinema --help`, beside an empty Python.

    python benchmarks/startup.py [--times 10] [--json out.json]

Each is a fresh process, and they take turns, after one round that warms the disk's cache. Targets, on the best
of the runs since a busy machine only ever adds: import below 0.3 s, help below 0.5 s (whole processes, Python's
own start included).
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from common import machine, parser, say_machine, table, take_turns, verdict, write

PROCESSES: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": (["-c", "pass"], None),
    "import kinema": (["-c", "import kinema"], 0.3),
    "kinema --help": (
        ["-c", "import sys; sys.argv[:] = ['kinema', '--help']; from kinema.cli.app import main; main()"],
        0.5,
    ),
}


def start(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--times", type=int, default=10)
    asked = options.parse_args()
    facts = machine()
    say_machine(facts)
    print()
    jobs = {name: lambda arguments=arguments: start(arguments) for name, (arguments, _) in PROCESSES.items()}
    seconds = take_turns(jobs, asked.times)
    rows, result = [], {}
    for name, times in seconds.items():
        best, middle, target = min(times), statistics.median(times), PROCESSES[name][1]
        result[name] = {"best": best, "median": middle, "target": target}
        reached = "" if target is None else f"below {target} s: {verdict(best < target)}"
        rows.append((name, f"{best:.3f}", f"{middle:.3f}", reached))
    print(table(("seconds, fresh processes", "best", "median", "target"), rows))
    write(asked.json, {"machine": facts, "times": asked.times, "processes": result})


if __name__ == "__main__":
    main()

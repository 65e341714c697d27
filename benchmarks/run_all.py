"""Runs the benchmarks one after the other, and can write what they print to benchmarks/RESULTS.md.

    python benchmarks/run_all.py [--write] [--quick] [--gpu]

Those that need no data always run: startup, backbone, memory (5 against 40 minutes; `--quick`: 1 against 4).
With `KINEMA_TEST_DATA` naming the folder of real videos (`ut-interaction`, `ucf101/videos` in it), decode, predict and
ut_interaction run too. Each is a process of its own.
`--gpu` runs gpu.py alone, which writes docs/benchmarks.md. Exits with 1 when one fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent


def commands(data: Path | None, quick: bool, gpu: bool = False) -> list[list[str]]:
    if gpu:
        return [["gpu.py", "--write", *(["--quick"] if quick else [])]]
    found = [
        ["startup.py", *(["--times", "3"] if quick else [])],
        ["backbone.py", *(["--rounds", "3"] if quick else [])],
        ["streaming.py", *(["--rounds", "2"] if quick else [])],
        ["export.py", *(["--rounds", "2"] if quick else [])],
        ["soak.py", "--minutes", "1" if quick else "10"],
        ["site_viewers.py", *(["--viewers", "10", "--seconds", "5"] if quick else [])],
        ["site_uploads.py", *(["--uploads", "10"] if quick else [])],
        ["memory.py", *(["--short", "1", "--minutes", "4"] if quick else ["--minutes", "40"])],
    ]
    if data is None:
        return found
    clips, more = data / "ut-interaction", data / "ucf101" / "videos"
    few = ["--most", "8", "--rounds", "2"] if quick else []
    found.append(["decode.py", str(clips), *few])
    found.append(["predict.py", str(clips), *([str(more)] if more.is_dir() else []), *few])
    found.append(["loader.py", str(more), str(clips), *(few or ["--most", "60", "--rounds", "5"])])
    found.append(["events.py", str(data / "falls"), str(data / "fights")])
    found.append(["ut_interaction.py", str(clips), *(["--seeds", "0", "--no-crop"] if quick else [])])
    return found


def run(command: list[str]) -> tuple[int, str]:
    """Run one benchmark, showing its lines as they come; return its exit status and its output."""
    lines = []
    arguments = [sys.executable, str(HERE / command[0]), *command[1:]]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write RESULTS.md beside this file")
    parser.add_argument("--quick", action="store_true", help="small versions, to see that all of them work")
    parser.add_argument("--gpu", action="store_true", help="only what needs a GPU, into docs/benchmarks.md")
    options = parser.parse_args()
    named = os.environ.get("KINEMA_TEST_DATA")
    data = Path(named).resolve() if named else None
    if data is None and not options.gpu:
        print("KINEMA_TEST_DATA is not set: decode, predict and ut_interaction are left out\n")
    sections, failed = [], []
    for command in commands(data, options.quick, options.gpu):
        shown = " ".join(command).replace(str(data), "$KINEMA_TEST_DATA") if data else " ".join(command)
        print(f"== {shown}", flush=True)
        began = time.monotonic()
        status, output = run(command)
        print(flush=True)
        took = f"{time.monotonic() - began:.0f} s"
        if status:
            failed.append(command[0])
            output += f"FAILED with exit status {status}\n"
        if data is not None:
            output = output.replace(str(data), "$KINEMA_TEST_DATA")
        sections.append(f"## {shown}\n\n{took} in all\n\n```text\n{output.strip()}\n```\n")
    if options.write and not options.gpu:
        head = (
            f"# Benchmarks\n\nWritten by `benchmarks/run_all.py --write` on {datetime.now(UTC):%Y-%m-%d}.\n"
        )
        (HERE / "RESULTS.md").write_text("\n".join([head, *sections]), encoding="utf-8")
        print(f"written: {HERE / 'RESULTS.md'}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

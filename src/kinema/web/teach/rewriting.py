"""A clip from a browser, decoded in a process of its own and written anew: `python -m kinema.web.teach.rewriting`.

A recording of a browser states no duration and cannot be sought in, and a dropped clip may be anything. What comes out is
a small H.264 file of kinema's own and a picture. The process may use a minute of processor time and two gigabytes; it opens
no other file and no address (`kinema.video.decoder`), and knows none of the site's secrets.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from kinema.errors import DataError, KinemaError

LONGEST, SHORTEST, FEWEST = 12.0, 0.5, 5  # seconds, seconds, frames
SIDE = 640  # pixels of the longer side
_RATE = 34.0  # frames a second kept of a faster clip: all of 30, half of 60
_PATIENCE = 60.0  # seconds
_MEMORY, _PROCESSOR, _FILE = 2 * 2**30, 60, 128 * 2**20
log = logging.getLogger("kinema.web")
_KNOWN = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)


def rewrite(source: Path, target: Path, thumbnail: Path) -> float:
    """Write `source` anew as `target` with its `thumbnail`, in a process with limits; return its seconds.

    Raises `DataError`, in words for who recorded it.
    """
    command = [sys.executable, "-m", "kinema.web.teach.rewriting", str(source), str(target), str(thumbnail)]
    env = {name: os.environ[name] for name in _KNOWN if name in os.environ}
    env |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, env=env, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError("it takes too long to decode; record it again, or convert it to H.264") from error
    try:
        said = json.loads(done.stdout.decode() or "{}")
    except ValueError:
        said = {}
    if "seconds" in said:
        return float(said["seconds"])
    if "error" not in said:
        log.warning(
            "a take was not decoded (%s): %s", done.returncode, done.stderr.decode(errors="replace")[-500:]
        )
    raise DataError(
        said.get("error") or "it needs too much memory or time to decode; convert it to a smaller H.264 file"
    )


def main() -> int:
    """Do it, and print JSON: `seconds`, or the `error` in a line."""
    _limit()
    source, target, thumbnail = (Path(argument) for argument in sys.argv[1:4])
    try:
        print(json.dumps({"seconds": _rewrite(source, target, thumbnail)}))
    except KinemaError as error:
        said = str(error)
        for path, name in ((source, "the clip"), (target, "the take"), (thumbnail, "the take")):
            # The paths are ours; who recorded it never saw them.
            said = said.replace(f"{path}: ", "").replace(str(path), name)
        print(json.dumps({"error": said[:300]}))
    return 0


def _rewrite(source: Path, target: Path, thumbnail: Path) -> float:
    from kinema.files import atomic_path
    from kinema.video import VideoWriter, open_source
    from kinema.video.jpeg import jpeg

    first = last = None
    step = 1 / 30
    with open_source(source, threads=1) as video:
        scale = min(1.0, SIDE / max(video.size))
        size = max(2, 2 * round(video.size[0] * scale / 2)), max(2, 2 * round(video.size[1] * scale / 2))
        with VideoWriter(target, 30, size, threads=1) as out:
            for frame in video.frames(size=size):
                first = frame.time if first is None else first
                if frame.time - first > LONGEST:
                    raise DataError(f"longer than {LONGEST:g} s: a take shows one action; cut it first")
                if last is not None and frame.time - last < 1 / _RATE:
                    continue
                step = step if last is None else frame.time - last
                last = frame.time
                out.write(frame)
            seconds = 0.0 if first is None or last is None else last - first + step
            if seconds < SHORTEST or out.frame_count < FEWEST:
                raise DataError(
                    f"too short ({seconds:.1f} s, {out.frame_count} pictures): an action needs half a second at least"
                )
    with open_source(target, threads=1) as take:
        middle = next(iter(take.frames(start=seconds / 2)))
    with atomic_path(thumbnail) as temporary:
        temporary.write_bytes(jpeg(middle.image))
    return round(seconds, 3)


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return  # not on Windows
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _PROCESSOR),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())

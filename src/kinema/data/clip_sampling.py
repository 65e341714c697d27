"""Which clips of a video are looked at: uniform, LRCN's and FstCN's ways, in seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError


def uniform_starts(
    length: float, spec: ClipSpec, clips: int, rng: np.random.Generator | None = None, *, overlap: bool = True
) -> list[float]:
    """Return the seconds at which `clips` clips of a video of `length` seconds start, sorted.

    Evenly spread from its first second to the last at which a clip fits; with `rng` drawn at random. Without `overlap` no two
    clips share a moment, so there are at most as many as fit side by side. A video shorter than a clip has one, at 0.

    >>> uniform_starts(10.0, ClipSpec(frames=16, fps=8), 3)
    [0.0, 4.0, 8.0]
    """
    _require(clips)
    room = max(0.0, length - spec.span)
    if room == 0:
        return [0.0]
    if not overlap:
        clips = min(clips, int(length / spec.span + 1e-9))
        if rng is not None:
            # Gaps drawn before, between and after clips laid side by side.
            free = np.sort(rng.random(clips)) * (length - clips * spec.span)
            return [float(gap + place * spec.span) for place, gap in enumerate(free)]
    if rng is not None:
        return sorted(float(start) for start in rng.random(clips) * room)
    if clips == 1:
        return [room / 2]
    return [float(start) for start in np.linspace(0.0, room, clips)]


def lrcn_starts(length: float, spec: ClipSpec, clips: int = 16, stride: float | None = None) -> list[float]:
    """Return the starts in seconds of clips `stride` seconds apart from the beginning, at most `clips` of them.

    Half a clip apart unless said: clips of 16 frames with a stride of 8 (Donahue et al., LRCN, CVPR 2015, section 4).

    >>> lrcn_starts(5.0, ClipSpec(frames=16, fps=8))
    [0.0, 1.0, 2.0, 3.0]
    """
    _require(clips)
    step = spec.span / 2 if stride is None else stride
    if not step > 0:
        raise UsageError(f"stride={stride}: give seconds above 0")
    fitting = int(max(0.0, length - spec.span) / step + 1e-9) + 1
    return [place * step for place in range(min(clips, fitting))]


def crops_and_mirrors(
    pictures: NDArray[np.uint8], size: tuple[int, int], crops: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return `crops` random crops of a clip `(T, H, W, 3)` and then their mirror images: `(2 * crops, T, h, w, 3)`.

    `size` is (width, height). A crop is the same in all pictures of the clip. FstCN looks at each clip so (Sun et al., ICCV
    2015); `kinema.models.fusion.fuse` makes one answer of them.

    Raises `UsageError` when the pictures are smaller than `size`.
    """
    _require(crops)
    width, height = size
    rows, columns = pictures.shape[1] - height, pictures.shape[2] - width
    if rows < 0 or columns < 0 or width < 1 or height < 1:
        raise UsageError(
            f"a crop of {width} x {height} does not fit pictures of {pictures.shape[2]} x {pictures.shape[1]} pixels"
        )
    found = []
    for _ in range(crops):
        top, left = int(rng.integers(rows + 1)), int(rng.integers(columns + 1))
        found.append(pictures[:, top : top + height, left : left + width])
    straight = np.stack(found)
    return np.concatenate([straight, straight[:, :, :, ::-1]])


def _require(count: int) -> None:
    if count < 1:
        raise UsageError(f"{count} clips: give at least 1")

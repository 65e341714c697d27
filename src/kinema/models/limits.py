"""What a network needs of its clips, said before anything is built."""

from __future__ import annotations

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError


def require_clip(model: str, spec: ClipSpec, *, frames: int = 1, height: int = 1, width: int = 1) -> None:
    """Raise `UsageError` when `spec` has fewer frames or pixels than `model` needs; the line says what to set."""
    if spec.frames < frames:
        raise UsageError(
            f"model '{model}' needs clips of at least {frames} frames, not {spec.frames}: set frames={frames} or more"
        )
    if spec.height < height or spec.width < width:
        raise UsageError(
            f"model '{model}' needs pictures of at least {width} x {height} pixels, not {spec.width} x {spec.height}: "
            f"set width={max(width, spec.width)} and height={max(height, spec.height)}, or more"
        )


def require_patches(model: str, spec: ClipSpec, *, pixels: int, frames: int = 1) -> None:
    """Raise `UsageError` unless the sides are multiples of `pixels` and the frames of `frames`; the line says what to set."""
    require_clip(model, spec, frames=frames, height=pixels, width=pixels)
    wanted = {
        "frames": _multiple(spec.frames, frames),
        "width": _multiple(spec.width, pixels),
        "height": _multiple(spec.height, pixels),
    }
    wrong = [f"{name}={value}" for name, value in wanted.items() if value != getattr(spec, name)]
    if wrong:
        patch = f"{frames} x {pixels} x {pixels}" if frames > 1 else f"{pixels} x {pixels}"
        raise UsageError(
            f"model '{model}' cuts clips into patches of {patch}, which {spec.frames} frames of {spec.width} x "
            f"{spec.height} pixels are not a multiple of: set {' and '.join(wrong)}"
        )


def _multiple(value: int, of: int) -> int:
    return max(1, round(value / of)) * of

"""ClipSpec: the one contract for how video becomes a tensor, stored with every model and used by every stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError, closest
from kinema.video import Frame, Source, resize

if TYPE_CHECKING:
    import torch

Resize = Literal["stretch", "crop", "pad"]
Colour = Literal["rgb", "gray", "gray_stack"]


@dataclass(frozen=True)
class Picture:
    """What a model sees of one moment: uint8 `(H, W, 3)` of the spec's size, and the time in seconds it stands for."""

    image: NDArray[np.uint8]
    time: float


@dataclass(frozen=True)
class ClipSpec:
    """How pixels become a tensor, completely.

    A clip is `frames` pictures taken every `1 / fps` seconds, whatever the rate of the video.

    - `frames`: pictures in a clip (T). `fps`: pictures a second. `span` is their product in seconds.
    - `height`, `width`: pixels of a picture.
    - `resize`: `stretch` to the size, `crop` the centre after scaling the shorter side, or `pad` with grey.
    - `colour`: `rgb`; `gray` (three equal channels); or `gray_stack`: the three channels are the grey pictures
      of now, of `1 / (fps * substeps)` seconds before and of twice that, oldest first, so that an image
      network trained on colours sees short motion in one pass (Kim et al., "Capturing Temporal Information
      in a Single Frame: Channel Sampling Strategies for Action Recognition", BMVC 2022).
    - `substeps`: how many frames are read for each picture; only `gray_stack` needs more than one.
    - `mean`, `std`: per channel, of values scaled to 0..1.

    >>> ClipSpec(frames=16, fps=8).span
    2.0

    Raises `UsageError` for a value that cannot be.
    """

    frames: int = 16
    fps: float = 8.0
    height: int = 224
    width: int = 224
    resize: Resize = "stretch"
    colour: Colour = "rgb"
    substeps: int = 1
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width", "substeps"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"clip setting {name}={value!r}: give a whole number of at least 1")
        if not _is_number(self.fps) or not 0 < self.fps < float("inf"):
            raise UsageError(f"clip setting fps={self.fps!r}: give pictures a second, above 0")
        if self.resize not in get_args(Resize):
            raise UsageError(
                f"clip setting resize={self.resize!r}: {closest(str(self.resize), get_args(Resize))}"
            )
        if self.colour not in get_args(Colour):
            raise UsageError(
                f"clip setting colour={self.colour!r}: {closest(str(self.colour), get_args(Colour))}"
            )
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or len(values) != 3 or not all(map(_is_number, values)):
                raise UsageError(f"clip setting {name}={values!r}: give three numbers")
            object.__setattr__(self, name, tuple(map(float, values)))
        if not min(self.std) > 0:
            raise UsageError(f"clip setting std={self.std!r}: give numbers above 0")
        object.__setattr__(self, "fps", float(self.fps))  # 8 and 8.0 are one spec, with one fingerprint

    @property
    def span(self) -> float:
        """Seconds that a clip covers."""
        return self.frames / self.fps

    @property
    def read_fps(self) -> float:
        """Frames a second to take from a source: `fps * substeps`."""
        return self.fps * self.substeps

    def read_size(self, source_size: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) to which a frame of `source_size` (width, height) is scaled before crop or pad."""
        if self.resize == "stretch":
            return self.width, self.height
        width, height = source_size
        scales = self.width / width, self.height / height
        scale = max(scales) if self.resize == "crop" else min(scales)
        bound = max if self.resize == "crop" else min
        return (
            max(1, bound(self.width, round(width * scale))),
            max(1, bound(self.height, round(height * scale))),
        )

    def fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `image` (any height, width, 3) scaled, cropped or padded to `(height, width, 3)`."""
        height, width = image.shape[:2]
        if (height, width) == (self.height, self.width):
            return image
        target = self.read_size((width, height))
        if (width, height) != target:
            image = resize(image, target)
            height, width = image.shape[:2]
        top, left = (self.height - height) // 2, (self.width - width) // 2
        if self.resize == "pad":
            canvas = np.full((self.height, self.width, 3), 128, np.uint8)
            canvas[top : top + height, left : left + width] = image
            return canvas
        return image[-top : -top + self.height, -left : -left + self.width]

    def pictures(
        self,
        source: Source,
        start: float = 0.0,
        end: float | None = None,
        seen: Callable[[int, float], None] | None = None,
    ) -> Iterator[Picture]:
        """Yield a `Picture` every `1 / fps` seconds of `source` between `start` and `end` (seconds).

        `seen(index, time)` is called for every frame that is decoded on the way, wanted or not.
        """
        assembler = PictureAssembler(self)
        size = self.read_size(source.size)
        for frame in source.frames(start=start, end=end, fps=self.read_fps, size=size, seen=seen):
            picture = assembler.push(frame)
            if picture is not None:
                yield picture

    def normalise(self, pictures: torch.Tensor) -> torch.Tensor:
        """Turn uint8 `(..., H, W, 3)` into float32 `(..., 3, H, W)`, scaled by mean and std.

        This is the only place where pixels are normalised; exported graphs contain it.
        """
        import torch

        # One multiplication and one addition a value: (x / 255 - mean) / std.
        scale = torch.tensor([1 / (255 * s) for s in self.std], dtype=torch.float32, device=pictures.device)
        shift = torch.tensor(
            [-m / s for m, s in zip(self.mean, self.std, strict=True)],
            dtype=torch.float32,
            device=pictures.device,
        )
        last = pictures.ndim - 1  # positive places, since exporters refuse negative ones
        places = (*range(last - 2), last, last - 2, last - 1)
        return (pictures.to(torch.float32) * scale + shift).permute(places)

    def clip(self, pictures: torch.Tensor) -> torch.Tensor:
        """Turn uint8 `(B, T, H, W, 3)` into the float32 `(B, 3, T, H, W)` that `VideoModel.forward` takes."""
        return self.normalise(pictures).transpose(1, 2)

    def fingerprint(self, *, pixels_only: bool = False) -> str:
        """Return a hash of the settings; `pixels_only` leaves out `frames`, on which single pictures do not depend."""
        settings = asdict(self)
        if pixels_only:
            del settings["frames"]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> ClipSpec:
        """Return the spec of `to_dict`; an unknown setting raises `UsageError` with the nearest known name."""
        known = [field.name for field in fields(cls)]
        for name in settings:
            if name not in known:
                raise UsageError(f"unknown clip setting '{name}': {closest(name, known)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**values)


class PictureAssembler:
    """Turns frames taken at `spec.read_fps` into pictures at `spec.fps`; the same for a file and a live stream."""

    def __init__(self, spec: ClipSpec) -> None:
        self.spec = spec
        self._count = 0
        self._recent: list[NDArray[np.uint8]] = []

    def push(self, frame: Frame) -> Picture | None:
        """Take the next frame; return a picture on the first and then on every `substeps`-th frame."""
        due = self._count % self.spec.substeps == 0
        self._count += 1
        if self.spec.colour == "gray_stack":
            grey = _grey(self.spec.fit(frame.image))
            # At the start of a video nothing has moved yet: the first frame stands for those before it.
            self._recent = [*self._recent[-2:], grey] if self._recent else [grey, grey, grey]
            return Picture(np.stack(self._recent, axis=-1), frame.time) if due else None
        if not due:
            return None
        image = self.spec.fit(frame.image)
        if self.spec.colour == "gray":
            image = np.repeat(_grey(image)[..., None], 3, axis=-1)
        return Picture(image, frame.time)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    grey: NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return grey

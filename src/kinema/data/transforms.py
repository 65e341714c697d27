"""Augmentation of clips: what is drawn is drawn once for all frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import kinema.torch_setup  # noqa: F401  (before torchvision)


@dataclass(frozen=True)
class ClipAugmentation:
    """The same random crop, flip and colour for every frame of a clip; torchvision's v2 operations.

    - `scale`: smallest share of the picture's area that a crop keeps; `ratio`: how far its aspect may change.
    - `flip`: probability of mirroring; 0 where left and right are different classes.
    - `brightness`, `contrast`, `saturation`: largest relative change; `hue`: largest turn, in turns of the
      colour wheel.
    - `rand_augment`: so many operations of `RandAugment` of strength `rand_magnitude` (0..30) instead of those colours.

    >>> clip = torch.zeros(16, 32, 32, 3, dtype=torch.uint8)
    >>> ClipAugmentation()(clip, np.random.default_rng(0)).shape
    torch.Size([16, 32, 32, 3])
    """

    scale: float = 0.6
    ratio: float = 4 / 3
    flip: float = 0.5
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.05
    rand_augment: int = 0
    rand_magnitude: float = 9.0

    def __call__(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a changed copy of uint8 `(T, H, W, 3)`, of the same shape; `rng` decides everything."""
        from torchvision.transforms.v2 import functional as F

        clip = pictures.movedim(-1, -3)
        height, width = clip.shape[-2:]
        area = rng.uniform(self.scale, 1.0)
        stretch = np.exp(rng.uniform(-1, 1) * np.log(self.ratio)) ** 0.5
        crop_height = min(height, max(1, round(height * area**0.5 / stretch)))
        crop_width = min(width, max(1, round(width * area**0.5 * stretch)))
        top = int(rng.integers(0, height - crop_height + 1))
        left = int(rng.integers(0, width - crop_width + 1))
        clip = F.resized_crop(clip, top, left, crop_height, crop_width, [height, width], antialias=True)
        clip = clip.contiguous()  # what changes colours takes half the time on it
        if rng.random() < self.flip:
            clip = F.horizontal_flip(clip)
        if self.rand_augment:
            grey = not (self.saturation or self.hue)
            clip = RandAugment(self.rand_augment, self.rand_magnitude, grey)(clip, rng)
            return clip.movedim(-3, -1).contiguous()
        clip = F.adjust_brightness(clip, 1 + rng.uniform(-1, 1) * self.brightness)
        contrast = 1 + rng.uniform(-1, 1) * self.contrast
        clip = _as_one_picture(clip, lambda picture: F.adjust_contrast(picture, contrast))
        clip = F.adjust_saturation(clip, 1 + rng.uniform(-1, 1) * self.saturation)
        pictures = clip.movedim(-3, -1).contiguous()
        return turn_hue(pictures, rng.uniform(-1, 1) * self.hue) if self.hue else pictures


def turn_hue(pictures: Tensor, turn: float) -> Tensor:
    """Return uint8 `(T, H, W, 3)` with all colours turned by `turn` of the colour wheel.

    The numbers are torchvision's to the nearest level of 255, but it takes longer for this than everything else of reading and
    changing a clip; OpenCV takes a quarter of its time.
    """
    import cv2

    frames, height, width, _ = pictures.shape
    colours = pictures.reshape(frames * height, width, 3).numpy().astype(np.float32) / 255
    hsv = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360  # degrees
    turned = np.rint(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)).astype(np.uint8)
    return torch.from_numpy(turned).reshape(frames, height, width, 3)


@dataclass(frozen=True)
class RandAugment:
    """`operations` drawn from fourteen, each the same for every picture of a clip (Cubuk et al., arXiv 1909.13719, table 6).

    `magnitude` 0..30 scales what has a strength: shears up to 0.3, shifts up to 0.45 of the side, turns up to 30 degrees,
    brightness, saturation, contrast and sharpness by up to 0.9, down to 4 bits, solarising above 255 down to 0. What depends on a
    picture's own histogram (contrast, autocontrast, equalise) takes that of the whole clip, so that nothing flickers. `grey`
    leaves out saturation.
    """

    operations: int = 2
    magnitude: float = 9.0
    grey: bool = False

    @property
    def names(self) -> list[str]:
        """The operations that are drawn from."""
        every = [
            "identity", "shear_x", "shear_y", "shift_x", "shift_y", "rotate", "brightness", "saturation", "contrast",
            "sharpness", "posterise", "solarise", "autocontrast", "equalise",
        ]  # fmt: skip
        return [name for name in every if not (self.grey and name == "saturation")]

    def __call__(self, clip: Tensor, rng: np.random.Generator) -> Tensor:
        """Return a changed copy of uint8 `(T, 3, H, W)`; `rng` decides which operations, and their signs."""
        for _ in range(self.operations):
            name = self.names[int(rng.integers(len(self.names)))]
            clip = self.apply(name, clip, 1 if rng.random() < 0.5 else -1)
        return clip

    def apply(self, name: str, clip: Tensor, sign: int = 1) -> Tensor:
        """Return uint8 `(T, 3, H, W)` after the operation `name`; `sign` is that of a shear, a shift, a turn or a change."""
        from torchvision.transforms.v2 import functional as F

        strength = self.magnitude / 30
        height, width = clip.shape[-2:]

        def place(
            angle: float = 0.0, shift: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0, 0)
        ) -> Tensor:
            moved = F.affine(
                clip, angle, list(shift), 1.0, list(shear), F.InterpolationMode.BILINEAR, [128.0] * 3, [0, 0] if any(shear)
                else None
            )  # fmt: skip
            return torch.as_tensor(moved)

        slope = float(np.degrees(np.arctan(sign * 0.3 * strength)))
        step = sign * 150 / 331 * strength
        change = 1 + sign * 0.9 * strength
        operations: dict[str, Callable[[], Tensor]] = {
            "identity": lambda: clip.clone(),
            "shear_x": lambda: place(shear=(slope, 0.0)),
            "shear_y": lambda: place(shear=(0.0, slope)),
            "shift_x": lambda: place(shift=(round(step * width), 0)),
            "shift_y": lambda: place(shift=(0, round(step * height))),
            "rotate": lambda: place(angle=sign * 30 * strength),
            "brightness": lambda: F.adjust_brightness(clip, change),
            "saturation": lambda: F.adjust_saturation(clip, change),
            "contrast": lambda: _as_one_picture(clip, lambda picture: F.adjust_contrast(picture, change)),
            "sharpness": lambda: F.adjust_sharpness(clip, change),
            "posterise": lambda: F.posterize(clip, 8 - round(4 * strength)),
            "solarise": lambda: F.solarize(clip, 255 * (1 - strength)),
            "autocontrast": lambda: _as_one_picture(clip, F.autocontrast),
            "equalise": lambda: _as_one_picture(clip, F.equalize),
        }
        return operations[name]()


def _as_one_picture(clip: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `change` to the pictures `(T, 3, H, W)` laid below one another, so that all have one histogram."""
    count, channels, height, width = clip.shape
    tall = clip.transpose(0, 1).reshape(channels, count * height, width)
    return change(tall).reshape(channels, count, height, width).transpose(0, 1)

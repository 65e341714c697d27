"""Augmentation of clips: what is drawn is drawn once for all frames of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

import kinema.torch_setup  # noqa: F401  (before torchvision)


@dataclass(frozen=True)
class ClipAugmentation:
    """The same random crop, flip and colour for every frame of a clip; torchvision's v2 operations.

    - `scale`: smallest share of the picture's area that a crop keeps; `ratio`: how far its aspect may change.
    - `flip`: probability of mirroring; 0 where left and right are different classes.
    - `brightness`, `contrast`, `saturation`: largest relative change; `hue`: largest turn, in turns of the
      colour wheel.

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
        if rng.random() < self.flip:
            clip = F.horizontal_flip(clip)
        clip = F.adjust_brightness(clip, 1 + rng.uniform(-1, 1) * self.brightness)
        clip = F.adjust_contrast(clip, 1 + rng.uniform(-1, 1) * self.contrast)
        clip = F.adjust_saturation(clip, 1 + rng.uniform(-1, 1) * self.saturation)
        if self.hue:
            clip = F.adjust_hue(clip, rng.uniform(-1, 1) * self.hue)
        return clip.movedim(-3, -1).contiguous()

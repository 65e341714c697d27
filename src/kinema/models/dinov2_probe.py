"""dinov2_probe: frozen DINOv2 tokens of single pictures, and an attentive probe over the window."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.attentive import AttentiveHead
from kinema.models.backbones import FrameBackbone, Tap, _grid_mean
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.limits import require_patches
from kinema.models.registry import Published, register

_DINOV2 = "vit_small_patch14_dinov2"


class TokenBackbone(FrameBackbone):
    """A vision transformer of timm: its class token, and its patch tokens averaged to `grid` x `grid` cells.

    ```
    pictures (N, 3, H, W) ─ patches of P x P ─▶ (N, 1 + H/P · W/P, C) ─ blocks, norm ─┬─ class token ──▶ (N, C)
                                                                                      └─ cells ─▶ (N, C · G · G)
    ```

    The position embedding is interpolated to the size of the pictures.
    """

    def __init__(self, name: str, weights: str, spec: ClipSpec, grid: int) -> None:
        super().__init__(name, weights)
        if not hasattr(self.network, "num_prefix_tokens") or not hasattr(self.network, "set_input_size"):
            raise UsageError(
                f"backbone '{name}' has no tokens: choose a vision transformer, such as {_DINOV2}"
            )
        patch = int(self.network.patch_embed.patch_size[0])
        require_patches("dinov2_probe", spec, pixels=patch)
        self._map = (spec.height // patch, spec.width // patch)
        self.network.set_input_size(img_size=(spec.height, spec.width))
        channels = int(self.network.num_features)
        self.taps = (Tap(None, 1), Tap(patch, grid))
        self.parts = [(channels, 1, 1), (channels, grid, grid)]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, C + C · G · G)`."""
        tokens = self.network.forward_features(pictures)
        cells = tokens[:, self.network.num_prefix_tokens :].transpose(1, 2).unflatten(2, self._map)
        return torch.cat([tokens[:, 0], _grid_mean(cells, self.taps[1].grid).flatten(1)], dim=1)


@register(
    "dinov2_probe",
    spec=ClipSpec(frames=16, fps=8.0, resize="crop", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    paper="Oquab et al., TMLR 2024, arXiv 2304.07193",
    published=Published(
        "facebookresearch/dinov2, MODEL_CARD.md",
        note="it gives 21M parameters, those of ViT-S/14 without a probe",
    ),
    tiny={"backbone": "test_vit", "grid": 2, "hidden": 32},
    tiny_spec=ClipSpec(frames=6, fps=5, height=64, width=64),
)
def dinov2_probe(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = _DINOV2,
    weights: str = "pretrained",
    freeze: bool = True,
    grid: int = 4,
    hidden: int = 384,
    heads: int = 4,
    depth: int = 1,
    dropout: float = 0.3,
) -> VideoModel:
    """Frozen DINOv2 tokens of each picture, and an attentive probe over the window; one pass a picture.

    Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024, arXiv 2304.07193; the probe as
    V-JEPA evaluates image networks (arXiv 2404.08471). `weights`: `pretrained` (fetched by timm), the path of a state dict,
    or `none`. Sides are multiples of 14 pixels.

    ```
    picture (3, 224, 224) ─ ViT-S/14, frozen ─▶ class token (384) + 4 x 4 cells (384) each = 17 tokens
    window  (16, 17 · 384) ─ + time ─▶ 272 tokens ─ cross-attention of one query, MLP ─▶ (384) ─ linear ─▶ (K)
    ```

    Backbone: 22.1 M parameters with the positions of 518 x 518 pixels, at 46.8 GFLOPs (multiply-adds) a picture; 6.1 at 224 x
    224. With the probe for 400 classes 23.4 M parameters, 98.1 GFLOPs a clip of 16 x 224 x 224.
    """
    network = TokenBackbone(backbone, weights, spec, grid)
    head = AttentiveHead(
        network.dim, num_classes, spec.frames, hidden, heads, depth, dropout, parts=network.parts
    )
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model

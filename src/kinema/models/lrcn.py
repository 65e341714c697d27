"""lrcn: a frame backbone and any temporal head by name (Donahue et al., LRCN, CVPR 2015, arXiv 1411.4389)."""

from __future__ import annotations

from typing import Any

from kinema.data.clipspec import ClipSpec
from kinema.models.backbones import BUNDLED, FrameBackbone
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import create_head
from kinema.models.registry import register


@register("lrcn", spec=ClipSpec(frames=16, fps=8.0), paper="Donahue et al., CVPR 2015, arXiv 1411.4389")
def lrcn(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = BUNDLED,
    weights: str = "bundled",
    freeze: bool = True,
    head: str = "lstm",
    head_settings: dict[str, Any] | None = None,
) -> VideoModel:
    """A picture at a time through the backbone, then a recurrent, convolutional or attending head over the window.

    Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015, arXiv 1411.4389. `head` is one of
    `kinema.models.head_names()`, `head_settings` are its own. With EfficientNet-Lite0, the head `lstm` and 400 classes:
    3.95 M parameters, 6.15 GFLOPs (multiply-adds) a clip of 16 x 224 x 224.

    ```
    (B·T, 3, 224, 224) ─ backbone ─▶ (B, T, 1280) ─ temporal head ─▶ (B, K)
    ```
    """
    network = FrameBackbone(backbone, weights)
    model = FactorisedModel(
        num_classes,
        spec.frames,
        network,
        create_head(head, network.dim, num_classes, spec.frames, **(head_settings or {})),
    )
    if freeze:
        model.freeze_backbone()
    return model

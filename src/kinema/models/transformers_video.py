"""VideoMAE, TimeSformer and V-JEPA 2, as the transformers library has them, for any classes and clips of whole patches.

GFLOPs count a multiplication with its addition as one, for one clip, attention included; parameters are those of 400
classes. Settings that all share: `weights` is `none`, `official` (fetched from the model hub) or a folder with `config.json`
and safetensors; `freeze` trains the head alone; `stride` is how many pictures of a stream lie between two clips; `dim`,
`depth` and `heads` are the published size unless changed. They need the extra `transformers`.
"""

from __future__ import annotations

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.attentive import AttentivePooler
from kinema.models.base import VideoModel
from kinema.models.clip_network import ClipNetwork, keep_classifier, linear_head
from kinema.models.limits import require_patches
from kinema.models.registry import Builder, Published, register
from kinema.models.transformers_networks import (
    PATCH,
    TIMESFORMER_BASE,
    VIDEOMAE_BASE,
    VIDEOMAE_SMALL,
    VJEPA2_VITL,
    Family,
    Size,
    TimesformerBackbone,
    VideoMAEBackbone,
    VJEPA2Backbone,
    build,
)

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VIDEOMAE = ClipSpec(16, 7.5, 224, 224, "crop", mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
_TIMESFORMER = ClipSpec(8, 0.9375, 224, 224, "crop", mean=(0.45,) * 3, std=(0.225,) * 3)
_VJEPA2 = ClipSpec(16, 7.5, 256, 256, "crop", mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
_TINY = {"dim": 48, "depth": 2, "heads": 2}
_TINY_CLIP = ClipSpec(frames=4, fps=5, height=32, width=32)


def _videomae(name: str, family: Family, size: Size, published: Published, description: str) -> Builder:
    @register(
        name, description=description, spec=_VIDEOMAE, paper="Tong et al., NeurIPS 2022, arXiv 2203.12602",
        published=published, tiny=_TINY, tiny_spec=_TINY_CLIP,
    )  # fmt: skip
    def build_videomae(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        stride: int = 4,
        dim: int = size.dim,
        depth: int = size.depth,
        heads: int = size.heads,
        dropout: float = 0.0,
    ) -> VideoModel:
        require_patches(name, spec, pixels=PATCH, frames=2)
        network, stored = build(name, family, Size(dim, depth, heads), spec, weights)
        head = nn.Sequential(nn.LayerNorm(dim), *linear_head(dim, num_classes, dropout))
        if keep_classifier(head, stored.get("classifier.weight"), stored.get("classifier.bias")):
            head[0].load_state_dict({key: stored[f"fc_norm.{key}"] for key in ("weight", "bias")})
        return ClipNetwork(num_classes, spec.frames, stride, VideoMAEBackbone(network), head, freeze)

    return build_videomae


videomae_base = _videomae(
    "videomae_base",
    VIDEOMAE_BASE,
    Size(dim=768, depth=12, heads=12),
    Published("open-mmlab/mmaction2, configs/recognition/videomae/README.md", 87, 180),
    """VideoMAE ViT-B: a plain transformer over all patches of the clip, pre-trained by filling in 90 % of them.

    Tong et al., "VideoMAE: Masked Autoencoders are Data-Efficient Learners", NeurIPS 2022, arXiv 2203.12602. 180 GFLOPs and
    86.5 M parameters at 16 x 224 x 224; 81.5 % on Kinetics-400 (MODEL_ZOO.md of MCG-NJU/VideoMAE).

    ```
    (3, 16, 224, 224) ─ patches 2x16x16 ─▶ 8·14·14 = 1568 tokens of 768 + sin-cos places
      ─ 12 blocks: attention of all with all, + skip; MLP, + skip ─▶ mean (768) ─ norm, linear ─▶ (K)
    ```
    """,
)
videomae_small = _videomae(
    "videomae_small",
    VIDEOMAE_SMALL,
    Size(dim=384, depth=12, heads=6),
    Published(
        "VideoMAE's paper, comparison on Kinetics-400", 22, 57, note="the paper was not at hand to be checked"
    ),
    """VideoMAE ViT-S: `videomae_base` at half the width (Tong et al., NeurIPS 2022, arXiv 2203.12602).

    57 GFLOPs and 22.0 M parameters at 16 x 224 x 224; 79.0 % on Kinetics-400 (MODEL_ZOO.md of MCG-NJU/VideoMAE).

    ```
    (3, 16, 224, 224) ─ patches 2x16x16 ─▶ 1568 tokens of 384 + places ─ 12 blocks ─▶ mean (384) ─ norm, linear ─▶ (K)
    ```
    """,
)


@register(
    "timesformer_base",
    spec=_TIMESFORMER,
    paper="Bertasius et al., ICML 2021, arXiv 2102.05095",
    published=Published("open-mmlab/mmaction2, configs/recognition/timesformer/README.md", 122, 196),
    tiny=_TINY,
    tiny_spec=_TINY_CLIP,
)
def timesformer_base(
    num_classes: int,
    spec: ClipSpec,
    weights: str = "none",
    freeze: bool = False,
    stride: int = 1,
    dim: int = 768,
    depth: int = 12,
    heads: int = 12,
    dropout: float = 0.0,
) -> VideoModel:
    """TimeSformer-B: attention over time at each place, then over each picture, block by block.

    Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021, arXiv 2102.05095. 196 GFLOPs
    and 121.6 M parameters at 8 x 224 x 224, one picture about a second; 77.9 % on Kinetics-400 (README.md of
    facebookresearch/TimeSformer, three crops). Learned positions are interpolated to `spec`.

    ```
    (3, 8, 224, 224) ─ patches 16x16 ─▶ 8·14·14 tokens of 768 + class token + place + time
      ─ 12 blocks: attention over time, + skip; over the picture, + skip; MLP, + skip ─▶ class token (768) ─ linear ─▶ (K)
    ```
    """
    require_patches("timesformer_base", spec, pixels=PATCH)
    network, published = build("timesformer_base", TIMESFORMER_BASE, Size(dim, depth, heads), spec, weights)
    head = linear_head(dim, num_classes, dropout)
    keep_classifier(head, published.get("classifier.weight"), published.get("classifier.bias"))
    return ClipNetwork(num_classes, spec.frames, stride, TimesformerBackbone(network, spec), head, freeze)


class AttentiveProbe(nn.Sequential):
    """Tokens `(B, N, D)` to logits `(B, K)`: an attentive pooler and a linear classifier."""

    def __init__(self, dim: int, num_classes: int, heads: int, depth: int) -> None:
        super().__init__(AttentivePooler(dim, heads, depth), *linear_head(dim, num_classes))

    def keep(self, published: dict[str, Tensor]) -> None:
        """Take a published probe of as many blocks, and its classifier where it has as many classes."""
        pooler = {
            key.removeprefix("pooler."): value
            for key, value in published.items()
            # A bias of the keys has no effect; ours have none.
            if key.startswith("pooler.") and not key.endswith("k_proj.bias")
        }
        if set(pooler) == set(self[0].state_dict()):
            self[0].load_state_dict(pooler)
            keep_classifier(self, published.get("classifier.weight"), published.get("classifier.bias"))


@register(
    "vjepa2_vitl",
    spec=_VJEPA2,
    paper="Assran et al., 2025, arXiv 2506.09985",
    published=Published(
        "facebookresearch/vjepa2, README.md",
        note="it gives 300M parameters, those of the encoder without a probe",
    ),
    classes=174,
    tiny={**_TINY, "probe_depth": 2},
    tiny_spec=_TINY_CLIP,
)
def vjepa2_vitl(
    num_classes: int,
    spec: ClipSpec,
    weights: str = "official",
    freeze: bool = True,
    stride: int = 8,
    dim: int = 1024,
    depth: int = 24,
    heads: int = 16,
    probe_depth: int = 4,
) -> VideoModel:
    """V-JEPA 2 ViT-L with its attentive probe: frozen features of a network that learned to predict video.

    Assran et al., "V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction and Planning", 2025, arXiv
    2506.09985. Encoder: 304 M parameters (ViT-L, "300M"), 597 GFLOPs at 16 x 224 x 224, 828 at 16 x 256 x 256. Probe: 49.4 M for
    four blocks; `probe_depth=1` is V-JEPA's single one. Together, with 174 classes at 16 x 256 x 256, 353.4 M parameters
    and 935 GFLOPs. A folder published with a probe (Something-Something v2, Diving-48) brings it along. Pictures are square.

    ```
    (3, 16, 256, 256) ─ patches 2x16x16 ─▶ 8·16·16 = 2048 tokens of 1024 ─ 24 blocks, places turned into q and k, frozen ─▶
      2048 tokens ─ 3 blocks of self-attention ─ cross-attention of one query, MLP ─▶ (1024) ─ linear ─▶ (K)
    ```
    """
    require_patches("vjepa2_vitl", spec, pixels=PATCH, frames=2)
    if spec.height != spec.width:
        side = min(spec.height, spec.width)
        raise UsageError(
            f"model 'vjepa2_vitl' takes square pictures, not {spec.width} x {spec.height}: set width={side} and height={side}"
        )
    network, published = build("vjepa2_vitl", VJEPA2_VITL, Size(dim, depth, heads), spec, weights)
    head = AttentiveProbe(dim, num_classes, heads, probe_depth)
    head.keep(published)
    return ClipNetwork(num_classes, spec.frames, stride, VJEPA2Backbone(network), head, freeze)

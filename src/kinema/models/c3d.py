"""c3d, c3d_small: plain networks of 3-D convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.limits import require_clip
from kinema.models.registry import Published, register


class C3D(ClipModel):
    """Eight convolutions of 3 x 3 x 3, five pools, two dense layers.

    ```
    (B, 3, 16, 112, 112) ─ conv 64 ─ pool 1·2·2 ─ conv 128 ─ pool ─ conv 256 x 2 ─ pool ─ conv 512 x 2 ─ pool
      ─ conv 512 x 2 ─▶ (B, 512, 2, 7, 7) ─ a border of 1, pool ─▶ (B, 512, 1, 4, 4) ─ flatten 8192
      ─ dense 4096 x 2 ─ dense ─▶ (B, K)
    ```
    """

    def __init__(
        self, num_classes: int, spec: ClipSpec, first: int, hidden: int, dropout: float, stride: int
    ) -> None:
        super().__init__(num_classes, spec.frames, stride)
        layers: list[nn.Module] = []
        channels, frames = 3, spec.frames
        for stage, sizes in enumerate(((1,), (2,), (4, 4), (8, 8), (8, 8))):
            for size in sizes:
                layers += [nn.Conv3d(channels, size * first, 3, padding=1), nn.ReLU()]
                channels = size * first
            pool = 1 if stage == 0 else min(2, frames)
            frames //= pool
            if stage == 4:
                layers.append(nn.ZeroPad3d((1, 1, 1, 1, 0, 0)))
            layers.append(nn.MaxPool3d((pool, 2, 2)))
        self.layers = nn.Sequential(*layers)
        rows, columns = ((side // 16 + 2) // 2 for side in (spec.height, spec.width))
        self.classifier = nn.Sequential(
            nn.Linear(channels * frames * rows * columns, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        _start(self)

    def forward(self, clips: Tensor) -> Tensor:
        return self.classifier(self.layers(clips).flatten(1))


class C3DSmall(ClipModel):
    """Six convolutions without a border, pools over the picture only, two dense layers.

    ```
    (B, 3, 16, 112, 112) ─ conv 32 ─ pool ─ conv 64 ─ pool ─ conv 128 x 2 ─ pool ─ conv 256, 2 x 2 x 2, x 2 ─ pool
      ─▶ (B, 256, 6, 4, 4) ─ flatten 24576 ─ dense 256 ─ dense 128 ─ dense ─▶ (B, K)
    ```
    """

    def __init__(self, num_classes: int, spec: ClipSpec, first: int, dropout: float, stride: int) -> None:
        super().__init__(num_classes, spec.frames, stride)
        layers: list[nn.Module] = []
        channels, frames, rows, columns = 3, spec.frames, spec.height, spec.width
        for sizes, kernel in (((1,), 3), ((2,), 3), ((4, 4), 3), ((8, 8), 2)):
            for size in sizes:
                layers += [nn.Conv3d(channels, size * first, kernel), nn.ReLU()]
                channels = size * first
                frames, rows, columns = (side - kernel + 1 for side in (frames, rows, columns))
            layers.append(nn.MaxPool3d((1, 2, 2)))
            rows, columns = rows // 2, columns // 2
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * frames * rows * columns, 8 * first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8 * first, 4 * first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * first, num_classes),
        )
        _start(self)

    def forward(self, clips: Tensor) -> Tensor:
        return self.classifier(self.layers(clips).flatten(1))


def _start(model: nn.Module) -> None:
    """He's initialisation: without norms, torch's default lets ten layers of ReLU fade out."""
    for module in model.modules():
        if isinstance(module, (nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@register(
    "c3d",
    spec=ClipSpec(frames=16, fps=8.0, height=112, width=112),
    paper="Tran et al., ICCV 2015, arXiv 1412.0767",
    published=Published("open-mmlab/mmaction2, configs/recognition/c3d/README.md", 78.4, 38.5),
    classes=101,
    tiny={"channels": 4, "hidden": 16, "stride": 2},
    tiny_spec=ClipSpec(frames=8, fps=5.0, height=32, width=32),
)
def c3d(
    num_classes: int,
    spec: ClipSpec,
    channels: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
    stride: int = 4,
) -> VideoModel:
    """C3D: 3-D convolutions 64, 128, 256 x 2, 512 x 2, 512 x 2, dense 4096 x 2, on 16 pictures of 112 x 112.

    Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015, arXiv 1412.0767 (S4's C3D).
    `channels`: of the first convolution. `stride`: pictures from one answer of a stream to the next.

    With 101 classes: 78,409,573 parameters, 38.5 GFLOPs (multiply-adds) a clip.

    ```
    (3, 16, 112, 112) ─ 64 ─ pool 1·2·2 ─ 128 ─ pool ─ 256 x 2 ─ pool ─ 512 x 2 ─ pool ─ 512 x 2 ─▶ (512, 2, 7, 7)
      ─ pool ─▶ (512, 1, 4, 4) ─ flatten 8192 ─ dense 4096 x 2 ─ dense ─▶ (K)
    ```
    """
    require_clip("c3d", spec, frames=8, height=32, width=32)
    return C3D(num_classes, spec, channels, hidden, dropout, stride)


@register(
    "c3d_small",
    spec=ClipSpec(frames=16, fps=8.0, height=112, width=112),
    paper="S4's C3Dsmall",
    classes=6,
    tiny={"channels": 4, "stride": 2},
    tiny_spec=ClipSpec(frames=12, fps=5.0, height=54, width=54),
)
def c3d_small(
    num_classes: int, spec: ClipSpec, channels: int = 32, dropout: float = 0.5, stride: int = 4
) -> VideoModel:
    """S4's C3Dsmall: 3-D convolutions 32, 64, 128 x 2, 256 x 2, dense 256 and 128, on 16 pictures of 112 x 112.

    Its dense layers have a ReLU, which the original left out. `channels`: of the first convolution. `stride`: pictures
    from one answer of a stream to the next.

    With 6 classes: 7,834,118 parameters, 5.7 GFLOPs (multiply-adds) a clip.

    ```
    (3, 16, 112, 112) ─ 32 ─ pool 1·2·2 ─ 64 ─ pool ─ 128 x 2 ─ pool ─ 256 x 2, of 2 x 2 x 2 ─ pool ─▶ (256, 6, 4, 4)
      ─ flatten 24576 ─ dense 256 ─ dense 128 ─ dense ─▶ (K)
    ```
    """
    require_clip("c3d_small", spec, frames=11, height=54, width=54)
    return C3DSmall(num_classes, spec, channels, dropout, stride)

"""Temporal shifts: by hand, against torchvision's ResNet with the authors' placement, and along a stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kinema.torch_setup  # noqa: F401  (before torchvision)
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models.registry import create_model
from kinema.models.tsm import TSM, OnlineTSM, Shift

SPEC = ClipSpec(frames=4, fps=5, height=64, width=64)
SMALL: dict[str, Any] = {"backbone": "mobilenetv2_035", "weights": "none"}


def build(spec: ClipSpec = SPEC, classes: int = 3, name: str = "tsm", **settings: Any) -> TSM:
    torch.manual_seed(0)
    model = create_model(name, classes, spec, **{**SMALL, **settings})
    assert isinstance(model, TSM)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as in a trained network: no branch is multiplied by zero
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.eval()


def random_pictures(count: int, size: int = 64) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("online", "expected"),
    # Sixteen channels, so two go each way: the first four of each picture of a clip, in which the picture numbered p has
    # 10 p + c / 10 in channel c.
    [
        (False, [[20.0, 20.1, 0, 0], [30.0, 30.1, 10.2, 10.3], [0, 0, 20.2, 20.3]]),
        (True, [[0, 0, 10.2, 10.3], [10.0, 10.1, 20.2, 20.3], [20.0, 20.1, 30.2, 30.3]]),
    ],
    ids=["bidirectional", "online"],
)
def test_shifts_by_hand(online: bool, expected: list[list[float]]) -> None:
    clip = torch.tensor([10.0, 20, 30])[:, None] + torch.arange(16.0) / 10
    clips = torch.stack([clip, -clip])  # a second clip, of which nothing may get into the first
    shifted = Shift(nn.Identity(), frames=3, online=online)(clips.reshape(6, 16, 1, 1)).reshape(2, 3, 16)
    assert torch.allclose(shifted[0, :, :4], torch.tensor(expected))
    assert torch.allclose(shifted[1, :, :4], -torch.tensor(expected))
    assert torch.equal(shifted[..., 4:], clips[..., 4:])  # most channels stay where they are


class _AuthorsShift(nn.Module):
    """Eighths of the channels from the next and from the last picture, as in equation and code of the paper."""

    def __init__(self, net: nn.Module, frames: int) -> None:
        super().__init__()
        self.net, self.frames = net, frames

    def forward(self, pictures: Tensor) -> Tensor:
        clips = pictures.reshape(-1, self.frames, *pictures.shape[1:])
        fold = clips.shape[2] // 8
        moved = clips.clone()
        moved[:, :, : 2 * fold] = 0
        moved[:, :-1, :fold] = clips[:, 1:, :fold]
        moved[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
        return self.net(moved.reshape(pictures.shape))


def authors_network(frames: int, classes: int) -> nn.Module:
    """torchvision's ResNet-18 with a shift before the first convolution of every block, and `new_fc` behind it."""
    from torchvision.models import resnet18

    torch.manual_seed(3)
    network: Any = resnet18()
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            block.conv1 = _AuthorsShift(block.conv1, frames)
    network.fc = nn.Dropout(0.5)
    return nn.ModuleDict({"base_model": network, "new_fc": nn.Linear(512, classes)}).eval()


def test_a_checkpoint_of_the_authors_gives_the_authors_logits(tmp_path: Path) -> None:
    authors: Any = authors_network(4, 6)
    stored = {f"module.{name}": value for name, value in authors.state_dict().items()}
    assert "module.base_model.layer2.1.conv1.net.weight" in stored
    path = tmp_path / "tsm.pth"
    torch.save({"epoch": 50, "arch": "resnet18", "state_dict": stored}, path)
    model = create_model("tsm", 6, SPEC, backbone="resnet18", weights=str(path), online=False).eval()
    clips = random_pictures(8).reshape(2, 4, 3, 64, 64)
    with torch.inference_mode():
        expected = authors["new_fc"](authors["base_model"](clips.flatten(0, 1))).reshape(2, 4, 6).mean(1)
        found = model(clips.transpose(1, 2))
        unshifted = authors["new_fc"](_without_shifts(authors["base_model"])(clips.flatten(0, 1)))
    assert torch.allclose(found, expected, atol=1e-4)
    assert (unshifted.reshape(2, 4, 6).mean(1) - expected).abs().max() > 1e-2  # the shifts matter

    with pytest.raises(UsageError, match="set online=false"):
        create_model("tsm", 6, SPEC, backbone="resnet18", weights=str(path))
    with pytest.raises(DataError, match=r"not the weights of a TSM with resnet34: of .* missing"):
        create_model("tsm", 6, SPEC, backbone="resnet34", weights=str(path), online=False)
    other = create_model("tsm", 9, SPEC, backbone="resnet18", weights=str(path), online=False).state_dict()
    assert other["head.1.weight"].shape == (9, 512)
    assert torch.equal(
        other["backbone.network.layer2.1.conv1.net.weight"],
        stored["module.base_model.layer2.1.conv1.net.weight"],
    )


def _without_shifts(network: Any) -> Any:
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            block.conv1 = block.conv1.net
    return network


def test_where_the_shifts_are() -> None:
    counts = {}
    for backbone in ("resnet50", "resnet101", "mobilenetv2_100", "tf_efficientnet_lite0"):
        with torch.device("meta"):
            counts[backbone] = build(backbone=backbone, name="tsm_resnet50").shifts
    # ResNet-50: 3 + 4 + 6 + 3 blocks. ResNet-101 every second where a stage has 23: 3 + 4 + 12 + 3. MobileNetV2: the
    # ten blocks with a shortcut, as in the authors' online demo; EfficientNet-Lite0: those with a shortcut.
    assert counts == {
        "resnet50": 16,
        "resnet101": 22,
        "mobilenetv2_100": 10,
        "tf_efficientnet_lite0": 9,
    }


@torch.inference_mode()
def test_an_online_stream_costs_one_pass_a_picture_and_equals_the_clip() -> None:
    model = build()
    assert isinstance(model, OnlineTSM)
    pictures = random_pictures(7)
    calls: list[int] = []
    model.backbone.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    state, rows = None, []
    for picture in pictures:
        logits, state = model.track(picture[None], state)
        rows.append(logits[0])
    assert calls == [1] * 7
    assert len(state.layers) == model.shifts == 10
    found = torch.stack(rows)
    clip = model(pictures[:4].transpose(0, 1)[None])[0]
    assert torch.allclose(found[3], clip, atol=1e-6)
    for cuts in ((7,), (2, 5), (1, 1, 3, 2)):
        state, parts = None, []
        for part in pictures.split(cuts):
            logits, state = model.track(part, state)
            parts.append(logits)
        assert torch.allclose(torch.cat(parts), found, atol=1e-6)
    # The answer at picture 6 is the mean of what was said of pictures 3 to 6, each after all before it.
    longer = build(replace(SPEC, frames=7))
    longer.load_state_dict(model.state_dict())
    scores = longer.score(pictures)  # one clip of seven, picture by picture
    assert torch.allclose(found[6], scores[3:].mean(0), atol=1e-6)
    assert torch.allclose(found[1], scores[:2].mean(0), atol=1e-6)
    # What comes later changes nothing; what came before does.
    changed = torch.cat([pictures[:3], -pictures[3:]])
    later = model.track(changed)[0]
    assert torch.allclose(later[:3], found[:3], atol=1e-6)
    alone = model.track(pictures[1:2])[0][0]
    assert (alone - scores[1]).abs().max() > 1e-5


@torch.inference_mode()
def test_bidirectional_shifts_stream_in_windows() -> None:
    model = build(online=False, stride=2)
    pictures = random_pictures(7)
    rows, _ = model.track(pictures)
    for end in (4, 6):  # windows are computed after pictures 4 and 6, and repeated in between
        window = model(pictures[end - 4 : end].transpose(0, 1)[None])[0]
        assert torch.allclose(rows[end - 1], window, atol=1e-6)
        assert torch.equal(rows[end - 1], rows[end])
    # It looks ahead within the clip: the last picture changes what is said of the first.
    clip = pictures[:4].transpose(0, 1)[None]
    other = clip.clone()
    other[:, :, 3] = 0
    first, changed = (model.score(c.transpose(1, 2).flatten(0, 1))[0] for c in (clip, other))
    assert (first - changed).abs().max() > 1e-6


@torch.inference_mode()
def test_two_streams_at_a_time_do_not_meet() -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = build()
    streams = [random_pictures(5), -random_pictures(5)]
    alone = [model.track(stream)[0] for stream in streams]

    def follow(stream: Tensor) -> Tensor:
        with torch.inference_mode():
            state, rows = None, []
            for picture in stream:
                logits, state = model.track(picture[None], state)
                rows.append(logits)
            return torch.cat(rows)

    with ThreadPoolExecutor(2) as pool:
        for found, expected in zip(pool.map(follow, streams), alone, strict=True):
            assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (replace(SPEC, frames=1), {}, "at least 2 frames, not 1: set frames=2"),
        (replace(SPEC, height=16), {}, "at least 32 x 32 pixels"),
        (SPEC, {"backbone": "test_vit"}, "choose a ResNet, a MobileNet or an EfficientNet"),
        (SPEC, {"weights": "no/such.pth"}, "no such weights file"),
        (SPEC, {"online": "yes"}, "give true or false"),
        (SPEC, {"backbone": "resnet5"}, "did you mean 'resnet"),
    ],
)
def test_bad_settings_are_one_line(spec: ClipSpec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(spec, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clips_of_another_length_are_refused() -> None:
    with pytest.raises(UsageError, match="clips of 6 frames for a TSM of 4: set frames=6"):
        build()(torch.zeros(1, 3, 6, 64, 64))

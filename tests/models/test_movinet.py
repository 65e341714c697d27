"""Causal MoViNets: sizes, the released weights by name, and a stream that runs from its start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import movinet  # noqa: F401  (registers the models)
from kinema.models.movinet import MoViNet
from kinema.models.movinet_blocks import SameConv2d, SamePool2d, running_shares
from kinema.models.registry import create_model, model_entry

SPEC = replace(model_entry("movinet_a0").spec, frames=6, height=48, width=48)

# Channels in, out and expanded, kernel in time and space, stride: config.py of MoViNet-pytorch, by block.
A0_BLOCKS = [
    [(8, 8, 24, 1, 5, 2)],
    [(8, 32, 80, 3, 3, 2), (32, 32, 80, 3, 3, 1), (32, 32, 80, 3, 3, 1)],
    [(32, 56, 184, 5, 3, 2), (56, 56, 112, 3, 3, 1), (56, 56, 184, 3, 3, 1)],
    [(56, 56, 184, 5, 3, 1)] + 3 * [(56, 56, 184, 3, 3, 1)],
    [(56, 104, 384, 5, 3, 2), (104, 104, 280, 1, 5, 1), (104, 104, 280, 1, 5, 1), (104, 104, 344, 1, 5, 1)],
]
# Channels between the two layers of squeeze-excite: models.py rounds half of the expanded ones to eights.
SQUEEZED = {24: 16, 80: 40, 112: 56, 184: 96, 280: 144, 344: 176, 384: 192}


def released_shapes(classes: int = 600) -> dict[str, tuple[int, ...]]:
    """Names and shapes of `modelA0_stream_statedict_v3`."""
    return dict(_released(classes))


def _released(classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _conv("conv1.conv_1", (8, 3, 3, 3))
    for i, stage in enumerate(A0_BLOCKS):
        for j, (inputs, outputs, expanded, time, space, stride) in enumerate(stage):
            block = f"blocks.b{i}_l{j}"
            yield f"{block}.alpha", ()
            yield from _conv(f"{block}.expand.conv_1", (expanded, inputs, 1, 1))
            yield from _conv(f"{block}.deep.conv_1", (expanded, 1, space, space))
            if time > 1:
                yield from _conv(f"{block}.deep.conv_2", (expanded, 1, time, 1))
            yield from _dense(f"{block}.se.fc1", SQUEEZED[expanded], 2 * expanded)
            yield from _dense(f"{block}.se.fc2", expanded, SQUEEZED[expanded])
            yield from _conv(f"{block}.project.conv_1", (outputs, expanded, 1, 1))
            if stride == 2:
                yield from _conv(f"{block}.res.1.conv_1", (outputs, inputs, 1, 1))
    yield from _conv("conv7.conv_1", (480, 104, 1, 1))
    yield from _dense("classifier.0", 2048, 480)
    yield from _dense("classifier.3", classes, 2048)


def _conv(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.conv2d.weight", shape
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.norm.{part}", shape[:1]
    yield f"{name}.norm.num_batches_tracked", ()


def _dense(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.conv_1.conv2d.weight", (outputs, inputs, 1, 1)
    yield f"{name}.conv_1.conv2d.bias", (outputs,)


def synthetic_values(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors that another program can make again: sines, scaled so that activations stay of one size."""
    found = {}
    for index, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        waves = torch.sin(
            torch.arange(math.prod(shape), dtype=torch.float64) * 0.37 * (1 + index % 7) + index
        )
        if name.endswith("num_batches_tracked"):
            found[name] = torch.tensor(0)
            continue
        if name.endswith("running_var"):
            waves = 0.15 + 0.05 * waves
        elif name.endswith("alpha"):
            waves = 0.5 + 0 * waves
        elif len(shape) >= 4:
            waves = waves * math.sqrt(2 / math.prod(shape[1:]))
        else:
            waves = 0.2 * waves + (1.0 if name.endswith("norm.weight") else 0.0)
        found[name] = waves.reshape(shape).float()
    return found


def waves(frames: int, height: int, width: int) -> Tensor:
    """A clip `(3, frames, height, width)` of values in 0..1 that another program can make again."""
    count = 3 * frames * height * width
    return (
        (0.5 + 0.5 * torch.sin(torch.arange(count, dtype=torch.float64) ** 1.1 * 0.01))
        .float()
        .reshape(3, frames, height, width)
    )


def build(spec: ClipSpec = SPEC, classes: int = 4, **settings: Any) -> MoViNet:
    torch.manual_seed(0)
    model = create_model("movinet_a0", classes, spec, **settings)
    assert isinstance(model, MoViNet)
    return model.eval()


@pytest.mark.parametrize(("name", "size"), [("movinet_a0", 172), ("movinet_a1", 172), ("movinet_a2", 224)])
def test_clips_are_those_of_the_release(name: str, size: int) -> None:
    spec = model_entry(name).spec
    assert (spec.frames, spec.fps, spec.height, spec.width) == (50, 5.0, size, size)
    # Pixels from 0 to 1, as they are.
    assert (spec.resize, spec.mean, spec.std) == ("crop", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_released_weights_load_by_name_and_give_the_released_logits(tmp_path: Path) -> None:
    shapes = released_shapes()
    assert len(shapes) == 451
    torch.save(synthetic_values(shapes), tmp_path / "a0.pth")
    model = build(classes=600, weights=str(tmp_path / "a0.pth"))
    with torch.inference_mode():
        clip = waves(6, 45, 45) * torch.tensor([0.1, 1, 0.3, 0.9, 0, 0.6])[:, None, None]  # it flickers
        logits = model(clip[None])[0]
        rows, _ = model.track(clip.transpose(0, 1))
    # What the released PyTorch code gives for the same tensors, for the first picture and after all six.
    first = [-0.28535, -0.40342, -0.16683, -0.21354, -0.50250]
    expected = [-0.89322, -0.97239, -0.69600, -1.33683, -1.45352]
    shown = [0, 1, 2, 300, 599]
    assert logits[shown].tolist() == pytest.approx(expected, abs=1e-4)
    assert rows[-1, shown].tolist() == pytest.approx(expected, abs=1e-4)
    assert rows[0, shown].tolist() == pytest.approx(first, abs=1e-4)


def test_other_classes_keep_everything_but_the_last_layer(tmp_path: Path) -> None:
    stored = synthetic_values(released_shapes())
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in stored.items()}}, tmp_path / "a0.pth"
    )
    fresh, loaded = build(classes=5), build(classes=5, weights=str(tmp_path / "a0.pth"))
    own = loaded.state_dict()
    assert torch.equal(own["head.3.conv_1.conv2d.weight"], fresh.state_dict()["head.3.conv_1.conv2d.weight"])
    assert torch.equal(own["head.0.conv_1.conv2d.weight"], stored["classifier.0.conv_1.conv2d.weight"])
    assert torch.equal(
        own["backbone.blocks.b4_l3.se.fc2.conv_1.conv2d.bias"],
        stored["blocks.b4_l3.se.fc2.conv_1.conv2d.bias"],
    )
    torch.save(own, tmp_path / "own.pth")  # kinema's own names
    again = build(classes=5, weights=str(tmp_path / "own.pth")).state_dict()
    assert all(torch.equal(again[name], value) for name, value in own.items())


class Runs:
    """What a pickle could bring along."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("blocks.b3_l2.alpha"), "1 missing, first 'backbone.blocks.b3_l2.alpha'"),
        (lambda d: d.update(extra=torch.ones(1)), "1 unknown, first 'backbone.extra'"),
        (
            lambda d: d.update({"conv7.conv_1.conv2d.weight": torch.ones(480, 136, 1, 1)}),
            "1 of another shape, first 'backbone.conv7.conv_1.conv2d.weight'",
        ),
        (lambda d: d.update({"conv1.conv_1.conv3d.weight": torch.ones(1)}), "modelA0_stream_statedict_v3"),
        (lambda d: (d.clear(), d.update(model=Runs())), "more than tensors"),
        (lambda d: (d.clear(), d.update(epoch=3)), "holds no tensors by name"),
    ],
    ids=["missing", "unknown", "shape", "base network", "pickle", "no tensors"],
)
def test_other_weights_are_refused_in_one_line(tmp_path: Path, change: Any, words: str) -> None:
    stored: dict[str, Any] = dict(synthetic_values(released_shapes()))
    change(stored)
    path = tmp_path / "weights.pth"
    torch.save(stored, path)
    with pytest.raises(DataError) as caught:
        build(weights=str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (replace(SPEC, height=24), {}, "at least 32 x 32 pixels, not 48 x 24: set width=48 and height=32"),
        (replace(SPEC, frames=1), {}, "at least 2 frames, not 1: set frames=2"),
        (SPEC, {"memory": -1}, "memory=-1: give pictures"),
        (SPEC, {"weights": "no/such.pth"}, "no such file; give none, or the path"),
        (SPEC, {"wieghts": "none"}, "did you mean 'weights'?"),
    ],
)
def test_bad_settings_are_one_line(spec: ClipSpec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(spec, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@torch.inference_mode()
def test_a_stream_gives_at_every_picture_what_the_pictures_so_far_give() -> None:
    model = build()
    pictures = waves(6, 48, 48).transpose(0, 1)
    calls: list[int] = []
    model.backbone.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    rows, state = [], None
    sizes = set()
    for picture in pictures:
        logits, state = model.track(picture[None], state)
        rows.append(logits[0])
        sizes.add(sum(layer.numel() for layer in state.layers))
    assert calls == [1] * 6
    assert len(sizes) == 1  # what is kept does not grow
    for count in range(2, 7):
        whole = model(pictures[:count].transpose(0, 1)[None])[0]
        assert torch.allclose(rows[count - 1], whole, atol=1e-6)
    for cuts in ((6,), (1, 5), (3, 2, 1)):
        state, found = None, []
        for part in pictures.split(cuts):
            logits, state = model.track(part, state)
            found.append(logits)
        assert torch.allclose(torch.cat(found), torch.stack(rows), atol=1e-6)
    # Nothing that comes later changes what was said.
    changed = torch.cat([pictures[:3], 1 - pictures[3:]])
    later, _ = model.track(changed)
    assert torch.allclose(later[:3], torch.stack(rows[:3]), atol=1e-6)
    assert (later[3:] - torch.stack(rows[3:])).abs().max() > 1e-4


def test_running_means_are_cumulative_and_then_forget_by_hand() -> None:
    assert running_shares(3, memory=9).tolist() == [
        [0, 1, 0, 0],
        [0, 0.5, 0.5, 0],
        pytest.approx([0, 1 / 3, 1 / 3, 1 / 3]),
    ]
    assert running_shares(4, memory=2).tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0.5, 0.5, 0, 0],
        [0, 0.25, 0.25, 0.5, 0],
        [0, 0.125, 0.125, 0.25, 0.5],
    ]
    assert running_shares(2, memory=4, seen=1).tolist() == [[0.5, 0.5, 0], pytest.approx([1 / 3] * 3)]
    assert running_shares(1, memory=4, seen=1000).tolist() == [[0.75, 0.25]]


@torch.inference_mode()
def test_memory_lets_a_long_stream_answer_for_now() -> None:
    """After a change of scene, a network that forgets gets to the new scene's answer and the other does not."""
    old, new = waves(2, 48, 48)[:, :1].transpose(0, 1), 1 - waves(2, 48, 48)[:, 1:].transpose(0, 1)
    pictures = torch.cat([old.expand(40, -1, -1, -1), new.expand(30, -1, -1, -1)])
    distances = []
    for memory in (3, 1000):
        model = build(memory=memory)
        goal = model.track(new.expand(30, -1, -1, -1))[0][-1]
        rows, _ = model.track(pictures)
        distances.append(float((rows[-1] - goal).norm() / (rows[39] - goal).norm()))
    assert distances[0] < 0.01
    assert distances[1] > 0.2


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (7, 5, 2), (8, 5, 2), (6, 5, 1)]
)
def test_padding_is_that_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    convolution = SameConv2d(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(convolution.weight)
    with torch.inference_mode():
        row = convolution(torch.ones(1, 1, size, size))[0, 0, 0]
    # Counts of pixels under the kernel, by hand: how far it reaches over the left and the right border.
    columns = {
        (7, 3, 2): [2, 3, 3, 2],
        (8, 3, 2): [3, 3, 3, 2],
        (7, 5, 2): [3, 5, 5, 3],
        (8, 5, 2): [4, 5, 5, 3],
        (6, 5, 1): [3, 4, 5, 5, 4, 3],
    }[size, kernel, stride]
    assert row.tolist() == [columns[0] * count for count in columns]


def test_the_pool_of_the_shortcut_counts_only_pixels_of_the_picture() -> None:
    pictures = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    # 1 2 3 4 / 5 6 7 8 / 9 10 11 12 / 13 14 15 16, windows from (0, 0), (0, 2), (2, 0), (2, 2); the last ones are cut.
    assert SamePool2d()(pictures)[0, 0].tolist() == [[6.0, 7.5], [12.0, 13.5]]
    odd = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    assert SamePool2d()(odd)[0, 0].tolist() == [[3.0, 4.0], [6.0, 7.0]]

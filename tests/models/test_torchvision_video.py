"""R3D, MC3, R(2+1)D, S3D, MViT and Video Swin against torchvision's own networks and its published figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

import kinema.torch_setup  # noqa: F401  (before torchvision)
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import VideoModel, create_model, model_entry
from kinema.models import torchvision_video as _registered  # noqa: F401
from kinema.models.torchvision_networks import resize_grid, resize_line

THIN: dict[str, Any] = {"channels": 8, "depths": (1, 1, 1, 1)}


def clip(spec: ClipSpec, batch: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, spec.frames, spec.height, spec.width, generator=generator)


@pytest.mark.parametrize(
    ("name", "frames", "fps", "size", "mean", "std"),
    [  # torchvision's documentation of each weights entry
        ("r3d_18", 16, 15.0, 112, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
        ("mc3_18", 16, 15.0, 112, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
        ("r2plus1d_18", 16, 15.0, 112, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
        ("s3d", 128, 15.0, 224, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
        ("mvit_v1_b", 16, 7.5, 224, (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
        ("mvit_v2_s", 16, 7.5, 224, (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
        ("swin3d_t", 32, 15.0, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("swin3d_s", 32, 15.0, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("swin3d_b", 32, 15.0, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_clips_are_prepared_as_the_official_weights_want_them(
    name: str, frames: int, fps: float, size: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    spec = model_entry(name).spec
    assert (spec.frames, spec.fps, spec.height, spec.width, spec.resize) == (frames, fps, size, size, "crop")
    assert (spec.mean, spec.std, spec.colour) == (mean, std, "rgb")


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("mc3_18", ClipSpec(4, 15.0, 32, 32)),
        ("r2plus1d_18", ClipSpec(4, 15.0, 32, 32)),
        ("s3d", ClipSpec(14, 15.0, 224, 224)),  # torchvision's smallest
        ("mvit_v1_b", ClipSpec(4, 7.5, 64, 64)),
        ("mvit_v2_s", ClipSpec(4, 7.5, 64, 64)),
        ("swin3d_t", ClipSpec(18, 15.0, 64, 64)),  # more than a window in time and picture: they shift
    ],
)
def test_torchvisions_own_weights_give_torchvisions_logits(
    name: str, spec: ClipSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.models.video
    from torchvision.models.video import mvit

    network = mvit.MViT  # its builders fix the size of the clip, and full-sized clips take long
    size = {"spatial_size": (spec.height, spec.width), "temporal_size": spec.frames}
    monkeypatch.setattr(mvit, "MViT", lambda **settings: network(**{**settings, **size}))
    torch.manual_seed(0)
    original = getattr(torchvision.models.video, name)().eval()
    monkeypatch.undo()
    path = tmp_path / f"{name}.pth"
    torch.save(original.state_dict(), path)
    model = create_model(name, 400, spec, weights=str(path)).eval()
    clips = clip(spec, batch=1)
    with torch.inference_mode():
        expected, found = original(clips), model(clips)
    assert float(expected.std()) > 1e-9
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    # With other classes the classifier is new, and the network before it the published one.
    other = create_model(name, 5, spec, weights=str(path)).eval()
    with torch.inference_mode():
        assert other(clips).shape == (1, 5)
    for key, value in model.state_dict().items():
        if key.startswith("backbone."):
            assert torch.equal(other.state_dict()[key], value), key


def test_official_weights_are_those_in_torchs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.video import s3d

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    original = s3d()
    torch.save(original.state_dict(), folder / "s3d-d76dad2f.pth")
    model = create_model("s3d", 3, ClipSpec(8, 5.0, 64, 64), weights="official")
    first = next(iter(original.state_dict()))
    assert torch.equal(model.state_dict()[f"backbone.{first}"], original.state_dict()[first])


def test_official_weights_without_a_network_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.models._api

    def refuse(*arguments: Any, **settings: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", refuse)
    with pytest.raises(DataError) as caught:
        create_model("swin3d_t", 3, weights="official")
    line = str(caught.value)
    assert "\n" not in line
    assert "Name or service not known" in line
    assert "swin3d_t-7615ae03.pth" in line  # what to get
    assert "weights=PATH" in line and "weights=none" in line


class Harmful:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("pickle", "a pickle that holds more than tensors"),
        ("text", "cannot be read as a checkpoint"),
        ("other", "not the weights of this 'r3d_18'"),
        ("narrow", "of another shape"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_one_line(
    content: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pth"
    if content == "text":
        path.write_text("hello")
    else:
        stored: Any = {"x": torch.ones(1)}
        if content == "pickle":
            stored = Harmful()
        elif content == "narrow":
            narrow = create_model("r3d_18", 3, **THIN)
            stored = {k.removeprefix("backbone."): v for k, v in narrow.state_dict().items()}
        torch.save(stored, path)
    with pytest.raises(DataError) as caught:
        create_model("r3d_18", 3, weights=str(path), depths=(1, 1, 1, 1))
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "this must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "changes", "settings", "words"),
    [
        ("r3d_18", {"height": 16}, {}, "at least 32 x 32 pixels, not 112 x 16: set width=112 and height=32"),
        ("s3d", {"frames": 7}, {}, "at least 8 frames, not 7: set frames=8"),
        ("s3d", {"width": 48}, {}, "at least 49 x 49 pixels"),
        ("mvit_v2_s", {"width": 16, "height": 16}, {}, "set width=32 and height=32"),
        ("swin3d_b", {"width": 31}, {}, "at least 32 x 32 pixels"),
        ("r3d_18", {}, {"depths": (2, 2, 2)}, "depths=(2, 2, 2): give four whole numbers"),
        ("mvit_v1_b", {}, {"depths": (1, 2, 0, 2)}, "give four whole numbers of at least 1"),
        ("swin3d_t", {}, {"channels": 40}, "channels=40: give a multiple of 32"),
        ("mc3_18", {}, {"channels": 0}, "channels=0: give the channels"),
        ("r2plus1d_18", {}, {"stride": 0}, "stride=0"),
        (
            "r2plus1d_18",
            {},
            {"weights": "r2.pth"},
            "r2.pth: no such file; give none, official, or the path of",
        ),
        ("mvit_v1_b", {}, {"wieghts": "none"}, "did you mean 'weights'?"),
    ],
)
def test_clips_and_settings_that_cannot_be_are_one_line(
    name: str, changes: dict[str, int], settings: dict[str, Any], words: str
) -> None:
    spec = ClipSpec.from_dict({**model_entry(name).spec.to_dict(), **changes})
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        create_model(name, 3, spec, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v1_b", "mvit_v2_s", "swin3d_t"]
)
def test_any_clip_from_the_smallest_on_can_be_trained_and_classified(name: str) -> None:
    least = ClipSpec(8, 5.0, 49, 49) if name == "s3d" else ClipSpec(1, 5.0, 32, 32)
    uneven = ClipSpec(11, 5.0, 59, 70)
    for spec in (least, uneven):
        model = tiny(name, spec).train()
        torch.nn.functional.cross_entropy(model(clip(spec, batch=1)), torch.tensor([1])).backward()
        with torch.inference_mode():
            assert model.eval()(clip(spec)).shape == (2, 3)


def tiny(name: str, spec: ClipSpec, **settings: Any) -> VideoModel:
    torch.manual_seed(0)
    return create_model(name, 3, spec, **{**model_entry(name).tiny, **settings})


@pytest.mark.parametrize("name", ["mvit_v1_b", "mvit_v2_s"])
def test_mvits_positions_are_fitted_to_other_clips(name: str, tmp_path: Path) -> None:
    stored = {
        key.removeprefix("backbone."): value
        for key, value in tiny(name, ClipSpec(8, 5.0, 64, 64)).state_dict().items()
    }
    for key in stored:  # an embedding that is the same at all places stays so at any size
        if "_pos" in key and "class" not in key:
            stored[key] = torch.arange(float(stored[key].shape[1])).expand_as(stored[key]).clone()
    path = tmp_path / "small.pth"
    torch.save(stored, path)
    spec = ClipSpec(4, 5.0, 48, 96)
    model = tiny(name, spec, weights=str(path)).eval()
    changed = 0
    for key, value in model.backbone.state_dict().items():  # type: ignore[union-attr, operator]
        if "_pos" in key and "class" not in key:
            changed += value.shape != stored[key].shape
            assert torch.allclose(value, torch.arange(float(value.shape[1])).expand_as(value), atol=1e-5), key
    assert changed
    with torch.inference_mode():
        assert model(clip(spec)).isfinite().all()


def test_rows_of_mvits_positions_stay_rows(tmp_path: Path) -> None:
    stored = {
        key.removeprefix("backbone."): value
        for key, value in tiny("mvit_v1_b", ClipSpec(4, 5.0, 64, 64)).state_dict().items()
    }
    # 16 x 16 places of 4 pixels, each the number of its row.
    stored["pos_encoding.spatial_pos"] = torch.arange(16.0).repeat_interleave(16)[:, None].repeat(1, 8)
    torch.save(stored, tmp_path / "small.pth")
    model = tiny("mvit_v1_b", ClipSpec(4, 5.0, 48, 96), weights=str(tmp_path / "small.pth"))
    places = model.state_dict()["backbone.pos_encoding.spatial_pos"][:, 0].reshape(12, 24)
    assert torch.allclose(places, places[:, :1].expand(12, 24), atol=1e-5)
    assert (places[:, 0].diff() > 0.5).all()


def test_positions_are_interpolated_by_hand() -> None:
    # Two places in four: their centres lie between the first and second, and between the third and fourth.
    line = torch.tensor([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0], [6.0, 7.0]])
    assert resize_line(line, 2).tolist() == [[1.0, 7.0], [5.0, 7.0]]
    # A grid of 2 rows x 2 columns that differs by row only, to 4 x 1: still one value a row, rising.
    grid = resize_grid(torch.tensor([[0.0], [0.0], [1.0], [1.0]]), (2, 2), (4, 1))[:, 0]
    assert grid.shape == (4,)
    assert (grid.diff() > 0).all()
    assert float(grid.mean()) == pytest.approx(0.5, abs=1e-6)


def test_a_frozen_network_trains_its_classifier_alone() -> None:
    spec = ClipSpec(4, 5.0, 32, 32)
    model = tiny("r3d_18", spec, freeze=True).train()
    assert {n for n, p in model.named_parameters() if p.requires_grad} == {"head.1.weight", "head.1.bias"}
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(clip(spec))
    assert any("running_mean" in name for name in before)
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_s3d_learns_to_see_before_its_norms_have_settled() -> None:
    spec = ClipSpec(8, 5.0, 56, 56)
    model = tiny("s3d", spec).eval()
    with torch.inference_mode():
        logits = model(clip(spec, batch=4))
    assert float(logits.std(0).mean()) > 1e-4  # torch's own start values leave 1e-8

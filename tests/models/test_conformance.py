"""What every registered model must do; `lrcn` with every temporal head."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.models import (
    BUNDLED,
    FactorisedModel,
    FrameBackbone,
    Recognizer,
    VideoModel,
    create_model,
    head_names,
    model_entry,
    model_names,
    windows,
)
from kinema.models.embedder import OnnxEmbedder, TorchEmbedder

SPEC = ClipSpec(frames=6, fps=5, height=64, width=64)
SMALL = "test_resnet"  # a tiny network of timm, where only the plumbing is tested
CASES = [name for name in model_names() if name != "lrcn"] + [f"lrcn-{head}" for head in head_names()]
BLIND_TO_ORDER = {"frame_mlp", "lrcn-mean", "lrcn-max"}

every_model = pytest.mark.parametrize("case", CASES)


def settings_of(case: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    name, _, head = case.partition("-")
    wanted: dict[str, Any] = {"backbone": BUNDLED, "weights": "none", **changes}
    if head:
        wanted["head"] = head
    known = model_entry(name).settings
    return name, {key: value for key, value in wanted.items() if key in known}


def build(case: str, classes: int = 4, seed: int = 0, spec: ClipSpec = SPEC, **changes: Any) -> VideoModel:
    torch.manual_seed(seed)
    name, settings = settings_of(case, **changes)
    return create_model(name, classes, spec, **settings)


@cache
def trained(case: str) -> VideoModel:
    """A model in eval mode; nothing here changes its weights."""
    return build(case).eval()


def recognizer_of(case: str, device: str = "torch") -> Recognizer:
    """An untrained recognizer whose head weights are large enough for the answers to differ."""
    torch.manual_seed(1)
    name, settings = settings_of(case)
    found = Recognizer.create(name, ["walk", "run", "wave"], SPEC, **settings)
    found.device = device
    factor = 100.0 if name == "motion_moments" else 3.0
    with torch.no_grad():
        for key, parameter in found.model.named_parameters():
            if not key.startswith("backbone."):
                parameter.mul_(factor)
    return found


def factorised(model: VideoModel) -> FactorisedModel:
    if not isinstance(model, FactorisedModel):
        pytest.skip("has no features of single pictures")
    return model


def random_clips(batch: int, seed: int = 0, spec: ClipSpec = SPEC) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, spec.frames, spec.height, spec.width, 3)
    return spec.clip(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))


@every_model
@pytest.mark.parametrize("classes", [2, 101])
def test_logits_have_one_column_a_class(case: str, classes: int) -> None:
    model = build(case, classes).eval()
    with torch.inference_mode():
        assert model(random_clips(3)).shape == (3, classes)
        assert model(random_clips(1)).shape == (1, classes)


@every_model
def test_a_clip_has_the_same_logits_alone_and_in_a_batch(case: str) -> None:
    clips = random_clips(3)
    with torch.inference_mode():
        together, alone = trained(case)(clips), trained(case)(clips[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)


@every_model
@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("still", [False, True], ids=["moving", "still"])
def test_gradient_reaches_the_trainable_parameters_and_only_those(
    case: str, freeze: bool, still: bool
) -> None:
    model = build(case, freeze=freeze).train()
    clips = random_clips(3)
    if still:  # a clip in which nothing moves, as at the start of a stream
        clips = clips[:, :, :1].expand(-1, -1, SPEC.frames, -1, -1)
    torch.nn.functional.cross_entropy(model(clips), torch.tensor([0, 1, 2])).backward()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.grad is None, name
            assert freeze and name.startswith("backbone."), name
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.startswith("backbone.") and not still:
            assert parameter.grad.abs().sum() > 0, name
    trainable = [n for n, p in model.named_parameters() if p.requires_grad and n.startswith("backbone.")]
    assert bool(trainable) is not freeze
    if not freeze and not still:
        first = next(p for n, p in model.named_parameters() if n.startswith("backbone."))
        assert first.grad is not None and first.grad.abs().sum() > 0


@every_model
def test_a_frozen_backbone_keeps_its_statistics_while_training(case: str) -> None:
    model = factorised(build(case, freeze=True)).train()
    before = {name: buffer.clone() for name, buffer in model.backbone.named_buffers()}
    model(random_clips(2))
    assert before
    for name, buffer in model.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name


@every_model
def test_bfloat16_gives_numbers_near_those_of_float32(case: str) -> None:
    clips = random_clips(2)
    with torch.inference_mode():
        exact = trained(case)(clips)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = trained(case)(clips).float()
    assert rough.isfinite().all()
    assert (rough - exact).abs().max() < 0.1 + 0.2 * exact.abs().max()


@every_model
def test_the_seed_decides_everything(case: str) -> None:
    clips = random_clips(2)
    with torch.inference_mode():
        first, again, other = (build(case, seed=seed).eval()(clips) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@every_model
def test_save_and_load_keep_every_probability(case: str, tmp_path: Path, synthetic_video: Path) -> None:
    recognizer = recognizer_of(case)
    recognizer.temperature, recognizer.thresholds = 1.7, {"run": 0.6}
    recognizer.provenance = {"data": "a synthetic square"}
    before = recognizer.predict(synthetic_video)
    folder = recognizer.save(tmp_path / "saved")
    assert sorted(path.name for path in folder.iterdir()) == ["recognizer.json", "weights.safetensors"]
    loaded = Recognizer.load(folder, device="torch")
    after = loaded.predict(synthetic_video)
    assert np.array_equal(after.probabilities, before.probabilities)
    assert after.classes == ["walk", "run", "wave"]
    assert (loaded.temperature, loaded.thresholds) == (1.7, {"run": 0.6})
    assert (loaded.provenance, loaded.spec) == ({"data": "a synthetic square"}, SPEC)
    assert (
        np.ptp(before.probabilities, axis=0).max() > 1e-3
    )  # the rows differ, so their equality says something


@every_model
def test_streaming_equals_offline_at_one_backbone_pass_a_picture(
    case: str, synthetic_video: Path, short_video: Path
) -> None:
    recognizer = recognizer_of(case)
    factorised(recognizer.model)
    # 24 frames at 10 fps give 12 pictures at 5 fps, 5 frames give 3: less than a window.
    for video, pictures in ((synthetic_video, 12), (short_video, 3)):
        offline = recognizer.predict(video)
        passes = recognizer.embedder.passes
        rows = list(recognizer.stream(video))
        assert recognizer.embedder.passes - passes == pictures
        assert len(rows) == len(offline.times) == pictures
        assert [row.time for row in rows] == pytest.approx(offline.times.tolist(), abs=1e-6)
        assert rows[1].time == pytest.approx(0.2, abs=1e-6)
        streamed = np.stack([row.probabilities for row in rows])
        assert np.abs(streamed - offline.probabilities).max() < 1e-4
        assert offline.full.tolist() == [index >= 5 for index in range(pictures)]
        assert np.allclose(streamed.sum(1), 1, atol=1e-5)


def test_prediction_does_not_depend_on_batches_or_neighbours(
    synthetic_video: Path, short_video: Path
) -> None:
    from kinema.models import Job

    recognizer = recognizer_of("lrcn-gru")
    alone = recognizer.predict(synthetic_video).probabilities
    jobs = [Job(short_video), Job(synthetic_video), Job(short_video)]
    rows = [c.logits for c in recognizer.timeline(jobs, batch_size=5) if c.job == 1]
    assert np.abs(recognizer.probabilities(np.concatenate(rows)) - alone).max() < 1e-5


def test_a_stream_leaves_the_callers_torch_as_it_was(synthetic_video: Path) -> None:
    recognizer = recognizer_of("lrcn-mean")
    for _ in recognizer.stream(synthetic_video):
        assert not torch.is_inference_mode_enabled()
        break
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.sum().backward()  # raises on a tensor of inference mode
    assert parameter.grad is not None


def test_a_stream_of_a_model_in_training_mode_has_no_dropout(synthetic_video: Path) -> None:
    recognizer = recognizer_of("frame_mlp")
    recognizer.model.train()
    first, again = (
        np.stack([row.probabilities for row in recognizer.stream(synthetic_video)]) for _ in range(2)
    )
    assert np.array_equal(first, again)


@every_model
def test_step_equals_classify_of_the_window(case: str) -> None:
    model = factorised(trained(case))
    features = torch.randn(2, 9, model.backbone.dim, generator=torch.Generator().manual_seed(0))
    state = None
    with torch.inference_mode():
        for now in range(9):
            logits, state = model.step(features[:, now], state)
            begin = now - SPEC.frames + 1
            missing = [features[:, :1]] * max(0, -begin)  # the first sample stands for those before it
            window = torch.cat([*missing, features[:, max(0, begin) : now + 1]], dim=1)
            assert window.shape[1] == 6
            assert torch.allclose(logits, model.classify(window), atol=1e-5)


@every_model
def test_only_models_that_average_are_blind_to_order(case: str) -> None:
    clips = random_clips(2, seed=5)
    recognizer = recognizer_of(case)
    with torch.inference_mode():
        model = recognizer.model.eval()
        forwards, backwards = model(clips), model(clips.flip(2))
    difference = float((forwards - backwards).abs().max())
    if case in BLIND_TO_ORDER:
        assert difference < 1e-4 * max(1.0, float(forwards.abs().max()))
    else:
        assert difference > 1e-3


@pytest.mark.parametrize(
    "case", [name for name in model_names() if "backbone" in model_entry(name).settings], ids=str
)
def test_onnx_runtime_agrees_with_torch(case: str) -> None:
    model = factorised(build(case, backbone=BUNDLED, weights="bundled", freeze=True))
    pictures = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    onnx, plain = OnnxEmbedder(model.backbone, SPEC, threads=2), TorchEmbedder(model.backbone, SPEC, "cpu")
    expected = plain(pictures)
    assert onnx.agrees
    assert expected.shape == (5, model.backbone.dim)
    assert np.abs(onnx(pictures) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (onnx.passes, plain.passes) == (5, 5)
    again = OnnxEmbedder(model.backbone, SPEC, threads=2)  # now from the cache folder
    assert np.array_equal(again(pictures), onnx(pictures))


def test_a_damaged_export_is_written_anew() -> None:
    from kinema.files import cache_folder

    backbone = FrameBackbone(SMALL, "none")
    pictures = np.full((1, 64, 64, 3), 90, np.uint8)
    expected = OnnxEmbedder(backbone, SPEC)(pictures)
    (path,) = (cache_folder() / "onnx").glob(f"{backbone.fingerprint()}-*.onnx")
    path.write_bytes(b"not a graph")
    assert np.array_equal(OnnxEmbedder(backbone, SPEC)(pictures), expected)


def test_a_backbone_that_cannot_be_exported_runs_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.models import create_embedder, embedder

    def refuse(*arguments: Any) -> None:
        raise RuntimeError("operator of tomorrow\nis not known")

    monkeypatch.setattr(embedder, "_export", refuse)
    with pytest.warns(UserWarning, match="operator of tomorrow"):
        found = create_embedder(FrameBackbone(SMALL, "none"), SPEC, "cpu")
    assert found.engine == "torch cpu"


def test_windows_by_hand() -> None:
    samples = torch.tensor([[1.0], [2.0], [3.0]])
    assert windows(samples, 3)[..., 0].tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3]]
    history = torch.tensor([[8.0], [9.0]])
    assert windows(samples, 3, history)[..., 0].tolist() == [[8, 9, 1], [9, 1, 2], [1, 2, 3]]
    assert windows(samples, 4, history[1:])[..., 0].tolist() == [[9, 9, 9, 1], [9, 9, 1, 2], [9, 1, 2, 3]]
    assert windows(samples, 1)[..., 0].tolist() == [[1], [2], [3]]


def test_the_grid_of_a_tap_averages_cells_by_hand() -> None:
    from kinema.models.backbones import _grid_mean

    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    # Three rows in two cells: the middle row counts half in each, so the top left cell is
    # ((0 + 1) + 0.5 * (4 + 5)) / 3 = 11 / 6.
    expected = [[11 / 6, 23 / 6], [43 / 6, 55 / 6]]
    assert torch.allclose(_grid_mean(maps, 2)[0, 0], torch.tensor(expected))


def test_moments_by_hand() -> None:
    from kinema.models.motion_moments import MotionMoments

    head = MotionMoments([(1, 1, 2), (1, 1, 1)], 2, 4, lag=1)
    moving = torch.tensor([[0.0, 1.0], [4.0, 1.0], [4.0, 1.0], [0.0, 1.0]])
    look = torch.tensor([[9.0], [9.0], [9.0], [9.0]])
    # cell 1: std of 0 4 4 0 is 2; rises (4, 0, 0): rms sqrt(16 / 3); falls the same; second half - first half: 0.
    # cell 2 is still: 0 everywhere. look: 9. Then the signed square root.
    rms = (16 / 3) ** 0.5
    expected = [2**0.5, 0, rms**0.5, 0, rms**0.5, 0, 0, 0, 3]
    found = head.describe(torch.cat([moving, look], dim=1)[None])
    assert torch.allclose(found[0], torch.tensor(expected), atol=2e-6)


def test_backbones_other_than_the_bundled_one_bring_their_own_mean_and_std() -> None:
    imagenet = Recognizer.create("lrcn", ["a", "b"], backbone="resnet10t", weights="none").spec
    assert imagenet.mean == (0.485, 0.456, 0.406)
    assert imagenet.std == (0.229, 0.224, 0.225)
    default = Recognizer.create("lrcn", ["a", "b"], weights="none").spec
    assert (default.mean, default.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert replace(imagenet, mean=default.mean, std=default.std) == default


def test_moments_of_what_stands_still_have_a_gradient() -> None:
    from kinema.models.motion_moments import MotionMoments

    torch.manual_seed(0)
    features = torch.randn(2, 1, 22).expand(-1, 6, -1).clone().requires_grad_()
    MotionMoments([(2, 3, 3), (4, 1, 1)], 3, 6)(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert features.grad.abs().sum() > 0

"""What every registered model must do; `lrcn` with every temporal head."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.models import (
    BUNDLED,
    ClipModel,
    FactorisedModel,
    Recognizer,
    VideoModel,
    create_model,
    head_names,
    model_entry,
    model_names,
)
from kinema.streaming import Engine, Row
from kinema.streaming.sinks.callable import CallableSink
from kinema.video import open_source

SPEC = ClipSpec(frames=6, fps=5, height=64, width=64)
SMALL = "test_resnet"  # a tiny network of timm, where only the plumbing is tested
CASES = [name for name in model_names() if name != "lrcn"] + [f"lrcn-{head}" for head in head_names()]
BLIND_TO_ORDER = {"frame_mlp", "lrcn-mean", "lrcn-max"}


def _blind(case: str) -> bool:
    return case in BLIND_TO_ORDER or not model_entry(case.partition("-")[0]).ordered


every_model = pytest.mark.parametrize("case", CASES)


def settings_of(case: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    name, _, head = case.partition("-")
    entry = model_entry(name)
    wanted: dict[str, Any] = {"backbone": BUNDLED, "weights": "none", **entry.tiny, **changes}
    if head:
        wanted["head"] = head
    return name, {key: value for key, value in wanted.items() if key in entry.settings}


def spec_of(case: str) -> ClipSpec:
    """The clips that a model is tested with; at 5 pictures a second, as the counts below are worked out."""
    spec = model_entry(case.partition("-")[0]).tiny_spec or SPEC
    assert spec.fps == 5 and 2 <= spec.frames <= 12
    return spec


def build(case: str, classes: int = 4, seed: int = 0, **changes: Any) -> VideoModel:
    torch.manual_seed(seed)
    name, settings = settings_of(case, **changes)
    return create_model(name, classes, spec_of(case), **settings)


def can_freeze(case: str) -> bool:
    return "freeze" in settings_of(case, freeze=True)[1]


@cache
def trained(case: str) -> VideoModel:
    """A model in eval mode; nothing here changes its weights."""
    return build(case).eval()


def recognizer_of(case: str, device: str = "torch") -> Recognizer:
    """An untrained recognizer whose head weights are large enough for the answers to differ."""
    torch.manual_seed(1)
    name, settings = settings_of(case)
    found = Recognizer.create(name, ["walk", "run", "wave"], spec_of(case), **settings)
    found.device = device
    if model_entry(name).tiny_spec is not None:
        return _enlivened(case, found)
    factor = 100.0 if name == "motion_moments" else 3.0
    with torch.no_grad():
        for key, parameter in found.model.named_parameters():
            if not key.startswith("backbone."):
                parameter.mul_(factor)
    return found


def _enlivened(case: str, found: Recognizer) -> Recognizer:
    """Let the norms of a whole network see something; then centre its answers and scale them to differ by about one."""
    spec, model = spec_of(case), found.model.train()
    # From dark to bright, as pictures of pure noise all look the same to a network.
    clips = random_clips(4, 9, spec) * torch.tensor([0.1, 0.4, 0.7, 1.0])[:, None, None, None, None]
    with torch.no_grad():
        for _ in range(3):
            model(clips)
        logits = model.eval()(clips)
        biases = [p for p in model.parameters() if p.shape == (len(found.classes),)]
        if biases:
            biases[-1] -= logits.mean(0)
    found.temperature = float(logits.std(0).mean())
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
        assert model(random_clips(3, spec=spec_of(case))).shape == (3, classes)
        assert model(random_clips(1, spec=spec_of(case))).shape == (1, classes)


@every_model
def test_a_clip_has_the_same_logits_alone_and_in_a_batch(case: str) -> None:
    clips = random_clips(3, spec=spec_of(case))
    with torch.inference_mode():
        together, alone = trained(case)(clips), trained(case)(clips[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)


@every_model
@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("still", [False, True], ids=["moving", "still"])
def test_gradient_reaches_the_trainable_parameters_and_only_those(
    case: str, freeze: bool, still: bool
) -> None:
    if freeze and not can_freeze(case):
        pytest.skip("has nothing that can be frozen")
    model = build(case, freeze=freeze).train()
    clips = random_clips(3, spec=spec_of(case))
    if still:  # a clip in which nothing moves, as at the start of a stream
        clips = clips[:, :, :1].expand(-1, -1, clips.shape[2], -1, -1)
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
    if not isinstance(model, FactorisedModel):
        return
    trainable = [n for n, p in model.named_parameters() if p.requires_grad and n.startswith("backbone.")]
    assert bool(trainable) is not freeze
    if not freeze and not still:
        first = next(p for n, p in model.named_parameters() if n.startswith("backbone."))
        assert first.grad is not None and first.grad.abs().sum() > 0


@every_model
def test_a_frozen_backbone_keeps_its_statistics_while_training(case: str) -> None:
    model = factorised(build(case, freeze=True)).train()
    if not can_freeze(case):
        pytest.skip("has nothing that can be frozen")
    before = {name: buffer.clone() for name, buffer in model.backbone.named_buffers()}
    model(random_clips(2, spec=spec_of(case)))
    if not before:
        pytest.skip("a backbone without statistics")
    for name, buffer in model.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name


@every_model
def test_bfloat16_gives_numbers_near_those_of_float32(case: str) -> None:
    clips = random_clips(2, spec=spec_of(case))
    with torch.inference_mode():
        exact = trained(case)(clips)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = trained(case)(clips).float()
    assert rough.isfinite().all()
    assert (rough - exact).abs().max() < 0.1 + 0.2 * exact.abs().max()


@every_model
def test_the_seed_decides_everything(case: str) -> None:
    clips = random_clips(2, spec=spec_of(case))
    with torch.inference_mode():
        first, again, other = (build(case, seed=seed).eval()(clips) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@every_model
def test_save_and_load_keep_every_probability(case: str, tmp_path: Path, synthetic_video: Path) -> None:
    recognizer = recognizer_of(case)
    recognizer.temperature, recognizer.thresholds = 1.7 * recognizer.temperature, {"run": 0.6}
    kept = recognizer.temperature
    recognizer.provenance = {"data": "a synthetic square"}
    before = recognizer.predict(synthetic_video)
    folder = recognizer.save(tmp_path / "saved")
    assert sorted(path.name for path in folder.iterdir()) == ["recognizer.json", "weights.safetensors"]
    loaded = Recognizer.load(folder, device="torch")
    after = loaded.predict(synthetic_video)
    assert np.array_equal(after.probabilities, before.probabilities)
    assert after.classes == ["walk", "run", "wave"]
    assert (loaded.temperature, loaded.thresholds) == (kept, {"run": 0.6})
    assert (loaded.provenance, loaded.spec) == ({"data": "a synthetic square"}, spec_of(case))
    assert (
        np.ptp(before.probabilities, axis=0).max() > 1e-4
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
        _assert_full(offline.full.tolist(), spec_of(case).frames)
        assert np.allclose(streamed.sum(1), 1, atol=1e-5)


def _assert_full(full: list[bool], frames: int) -> None:
    assert full == [index + 1 >= frames for index in range(len(full))]


@every_model
def test_streaming_equals_offline_for_models_of_whole_clips(
    case: str, synthetic_video: Path, short_video: Path
) -> None:
    recognizer = recognizer_of(case)
    model, spec = recognizer.model, spec_of(case)
    if not isinstance(model, ClipModel):
        pytest.skip("has features of single pictures")
    calls: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    own_window = type(model).track is ClipModel.track
    for video, pictures in ((synthetic_video, 12), (short_video, 3)):
        offline = recognizer.predict(video)
        calls.clear()
        rows = list(recognizer.stream(video))
        assert len(rows) == len(offline.times) == pictures
        if own_window:  # one pass for each window that is due, the first picture's included
            assert sum(calls) == len({0, *range((spec.frames - 1) % model.stride, pictures, model.stride)})
        else:
            assert len(calls) <= pictures
        assert [row.time for row in rows] == pytest.approx(offline.times.tolist(), abs=1e-6)
        streamed = np.stack([row.probabilities for row in rows])
        assert np.abs(streamed - offline.probabilities).max() < 1e-4
        _assert_full(offline.full.tolist(), spec.frames)
        if pictures >= spec.frames:  # the first full window is the clip of the first T pictures
            clip = spec.clip(torch.from_numpy(np.stack([row.picture for row in rows[: spec.frames]]))[None])
            with torch.inference_mode():
                direct = recognizer.probabilities(model.eval()(clip).float().numpy())[0]
            assert np.abs(direct - streamed[spec.frames - 1]).max() < 1e-4


@every_model
def test_the_live_engine_gives_the_probabilities_of_predict(
    case: str, synthetic_video: Path, short_video: Path
) -> None:
    recognizer = recognizer_of(case)
    rows: list[Row] = []
    videos = (synthetic_video, short_video)
    before = recognizer.embedder.passes if isinstance(recognizer.model, FactorisedModel) else 0
    Engine(
        recognizer, [open_source(video) for video in videos], sinks=[CallableSink(on_row=rows.append)]
    ).run()
    if isinstance(recognizer.model, FactorisedModel):
        assert recognizer.embedder.passes - before == 12 + 3
    for number, video in enumerate(videos):
        offline = recognizer.predict(video)
        mine = [row for row in rows if row.source == number]
        assert [row.time for row in mine] == offline.times.tolist()
        assert [row.full for row in mine] == offline.full.tolist()
        live = np.stack([row.probabilities for row in mine])
        assert np.abs(live - offline.probabilities).max() < 1e-4


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
            begin = now - model.frames + 1
            missing = [features[:, :1]] * max(0, -begin)  # the first sample stands for those before it
            window = torch.cat([*missing, features[:, max(0, begin) : now + 1]], dim=1)
            assert window.shape[1] == spec_of(case).frames
            assert torch.allclose(logits, model.classify(window), atol=1e-5)


@every_model
def test_only_models_that_average_are_blind_to_order(case: str) -> None:
    clips = random_clips(2, seed=5, spec=spec_of(case))
    recognizer = recognizer_of(case)
    with torch.inference_mode():
        model = recognizer.model.eval()
        forwards, backwards = model(clips), model(clips.flip(2))
    difference = float((forwards - backwards).abs().max())
    if _blind(case):
        assert difference < 1e-4 * max(1.0, float(forwards.abs().max()))
    else:
        assert difference > 1e-3 * recognizer.temperature

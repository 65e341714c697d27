"""Options of training: each does what it says, and none changes what is learned beyond what it says."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinema.data import ClipSpec, read_data
from kinema.errors import UsageError
from kinema.models import ClipModel, create_model
from kinema.training import Run, TrainSettings, fit, train
from kinema.training.mixing import Mix, draw_mix
from kinema.training.module import Round
from kinema.training.options import channels_last, compiled, recomputed_activations
from kinema.training.outside import Outside
from kinema.training.progress import Done

SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)


class Clips(ClipModel):
    """A small network of whole clips, without batch norm, so that parts of a batch are its sum."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__(3, frames=4)
        norms = nn.BatchNorm3d(8) if norm else nn.Identity()
        self.features = nn.Sequential(
            nn.Conv3d(3, 8, 3, padding=1), norms, nn.ReLU(),
            nn.Sequential(nn.Conv3d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 8, 3, padding=1), nn.Tanh()),
        )  # fmt: skip
        self.fc = nn.Linear(8, 3)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(self.features(clips).mean((2, 3, 4)))


class Noise:
    """Batches of uint8 clips of noise, as `ClipBatches` gives them."""

    def __init__(self, count: int, batch: int, side: int = 32) -> None:
        generator = torch.Generator().manual_seed(1)
        self.clips = torch.randint(0, 256, (count, 4, side, side, 3), dtype=torch.uint8, generator=generator)
        self.targets = torch.randint(0, 3, (count,), generator=generator)
        self.batch = batch

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch)

    def __iter__(self) -> Any:
        yield from zip(self.clips.split(self.batch), self.targets.split(self.batch), strict=True)

    def set_epoch(self, epoch: int) -> None:
        pass

    def floats(self, inputs: Tensor) -> Tensor:
        return SPEC.clip(inputs)

    def logits(self, model: Any, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return torch.tensor([0.5, 1.0, 1.5])


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings.from_dict(
        {"epochs": 1, "batch_size": 32, "learning_rate": 0.01, "warmup": 0.0, **changes}
    )


def gradient(model: Clips, batches: Noise, parts: int, mix: Mix | None = None) -> dict[str, Tensor]:
    """The gradient that a step with so many parts hands to the optimiser."""
    module = Round(
        model,
        batches,
        None,
        settings(),
        Done(parts=parts),
        [],
        {},
        Outside(None, None, None, lambda text: None),
    )
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    model.zero_grad()
    inputs, targets = next(iter(batches))
    loss, _ = module._gradient(inputs, targets, mix)
    return {"loss": torch.tensor(loss), **{n: p.grad.clone() for n, p in model.named_parameters()}}  # type: ignore[union-attr]


@pytest.mark.parametrize("parts", [2, 4, 5, 32])
def test_parts_of_a_batch_have_the_gradient_of_the_whole(parts: int) -> None:
    """4 x 8 clips and 32 clips, weights of classes and all; uneven parts too."""
    torch.manual_seed(0)
    model, batches = Clips(), Noise(32, 32, 4)  # small pictures: float32 sums of many are rounded by more
    whole, divided = gradient(model, batches, 1), gradient(model, batches, parts)
    for name, value in whole.items():
        assert (value - divided[name]).abs().max() < 1e-6, name


def test_the_gradient_of_a_weighted_batch_by_hand() -> None:
    """The mean over the clips of weight times cross-entropy: torch's own, summed and divided."""
    torch.manual_seed(0)
    model, batches = Clips(), Noise(8, 8, 8)
    model.zero_grad()
    loss = nn.functional.cross_entropy(
        model(SPEC.clip(batches.clips)), batches.targets, torch.tensor([0.5, 1.0, 1.5]), reduction="sum",
        label_smoothing=0.1,
    ) / 8  # fmt: skip
    loss.backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters()}  # type: ignore[union-attr]
    found = gradient(model, batches, 4)
    assert float(found["loss"]) == pytest.approx(loss.item(), abs=1e-6)
    assert all((found[n] - g).abs().max() < 1e-6 for n, g in expected.items())


@pytest.mark.parametrize("box", [None, (0.25, 0.75, 0.0, 0.5)])
def test_a_mixed_batch_in_parts_is_the_same_mix(box: Any) -> None:
    torch.manual_seed(0)
    model, batches = Clips(), Noise(32, 32, 8)
    mix = Mix(torch.randperm(32), 0.3, box)
    whole, divided = gradient(model, batches, 1, mix), gradient(model, batches, 4, mix)
    assert all((value - divided[name]).abs().max() < 1e-6 for name, value in whole.items())


def test_a_fit_in_parts_learns_the_same() -> None:
    losses = []
    for parts in (1, 4):
        torch.manual_seed(0)
        model = Clips()
        wanted = settings(epochs=3, accumulate=parts, batch_size=16)
        losses.append(fit(model, Noise(32, 16), Noise(8, 8), wanted, device="cpu").history)
    assert np.allclose(losses[0].to_numpy(), losses[1].to_numpy(), atol=1e-5)


def test_mixup_and_cutmix_by_hand() -> None:
    clips = torch.zeros(2, 3, 4, 8, 8)
    clips[1] = 1.0
    targets = torch.tensor([0, 2])
    rows = torch.arange(2)
    blend = Mix(torch.tensor([1, 0]), 0.75)
    mixed, share = blend.inputs(rows, lambda r: clips[r])
    assert share == 0.75 and (mixed[0] == 0.25).all() and (mixed[1] == 0.75).all()
    assert blend.targets(targets, rows, 3, share).tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]
    cut = Mix(torch.tensor([1, 0]), 0.5, (0.0, 0.5, 0.25, 0.75))
    mixed, share = cut.inputs(rows, lambda r: clips[r])
    box = torch.zeros(8, 8)
    box[0:4, 2:6] = 1
    assert (mixed[0] == box).all() and (mixed[1] == 1 - box).all()  # in every picture and every channel
    assert share == 1 - 16 / 64
    assert cut.targets(targets, rows, 3, share).tolist() == [[0.75, 0, 0.25], [0.25, 0, 0.75]]


def test_what_is_drawn_to_mix() -> None:
    assert draw_mix(8, 0.0, 0.0) is None
    assert draw_mix(1, 1.0, 1.0) is None
    torch.manual_seed(0)
    kinds = [draw_mix(8, 1.0, 1.0) for _ in range(200)]
    boxes = [mix.box for mix in kinds if mix is not None and mix.box is not None]
    assert 70 <= len(boxes) <= 130  # one half each
    assert all(0 <= top <= bottom <= 1 and 0 <= left <= right <= 1 for top, bottom, left, right in boxes)
    assert all(mix is not None and mix.box is None for mix in (draw_mix(8, 1.0, 0.0) for _ in range(20)))
    assert all(mix is not None and mix.box is not None for mix in (draw_mix(8, 0.0, 1.0) for _ in range(20)))


def saved_bytes(model: Clips, clips: Tensor) -> tuple[int, dict[str, Tensor]]:
    """Bytes that the forward pass keeps for the backward pass, counted once each, and the gradients."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(clips).square().sum()
    total = sum(kept.values())
    loss.backward()
    return total, {n: p.grad.clone() for n, p in model.named_parameters()}  # type: ignore[union-attr]


def test_activations_computed_again_give_equal_gradients_and_keep_less() -> None:
    torch.manual_seed(0)
    model = Clips(norm=True).train()
    twin = copy.deepcopy(model)
    clips = torch.randn(4, 3, 4, 32, 32)
    plain, gradients = saved_bytes(model, clips)
    with recomputed_activations(twin):
        less, again = saved_bytes(twin, clips)
        assert less < 0.6 * plain
    assert all(torch.equal(gradients[name], again[name]) for name in gradients)
    # The batch norm has counted the batch once.
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, dict(twin.named_buffers())[name]), name
    assert not any("forward" in vars(module) for module in twin.modules())
    plain_again, _ = saved_bytes(twin, clips)
    assert plain_again == plain


def test_networks_of_blocks_are_computed_again() -> None:
    for name in ("resnet18", "test_vit"):
        torch.manual_seed(0)
        side = 160 if name == "test_vit" else 64
        spec = ClipSpec(frames=2, fps=5, height=side, width=side)
        model: Any = create_model(
            "frame_mlp", 2, spec, backbone=name, weights="none", freeze=False, dropout=0.0
        )
        for part in model.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        clips = torch.randn(2, 3, 2, side, side)
        plain, gradients = saved_bytes(model.train(), clips)
        with recomputed_activations(model):
            less, again = saved_bytes(model, clips)
        weights = sum(p.numel() * p.element_size() for p in model.parameters())  # are kept in any case
        assert less - weights < 0.6 * (plain - weights), name
        assert all(torch.allclose(gradients[n], again[n], atol=1e-6) for n in gradients), name


def test_channels_last_stores_weights_so_and_only_while_training() -> None:
    torch.manual_seed(0)
    clip_model = Clips()
    expected = gradient(clip_model, Noise(8, 8), 1)
    with channels_last(clip_model):
        weight = clip_model.features[0].weight
        assert weight.is_contiguous(memory_format=torch.channels_last_3d) and not weight.is_contiguous()
        found = gradient(clip_model, Noise(8, 8), 1)
    assert clip_model.features[0].weight.is_contiguous()
    assert all((found[n] - g).abs().max() < 1e-5 for n, g in expected.items())
    frames = create_model("frame_mlp", 2, SPEC, backbone="test_resnet", weights="none", freeze=False)
    with channels_last(frames):
        conv = next(p for p in frames.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1)
        assert conv.is_contiguous(memory_format=torch.channels_last) and not conv.is_contiguous()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="torch.compile needs a C compiler on a CPU")
def test_a_compiled_model_gives_the_same_numbers() -> None:
    torch.manual_seed(0)
    model = Clips().eval()
    clips = torch.randn(2, 3, 4, 32, 32)
    names = list(model.state_dict())
    with torch.no_grad():
        expected = model(clips)
        torch._dynamo.reset()
        with compiled(model):
            found = model(clips)
            assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
    assert (found - expected).abs().max() < 1e-5
    assert list(model.state_dict()) == names and model._compiled_call_impl is None


def test_precision_is_that_of_the_forward_pass() -> None:
    seen: list[torch.dtype] = []

    class Watched(Clips):
        def forward(self, clips: Tensor) -> Tensor:
            logits = super().forward(clips)
            seen.append(logits.dtype)
            return logits

    for precision in ("32-true", "bf16-mixed"):
        model = Watched()
        fit(model, Noise(8, 8), None, settings(precision=precision), device="cpu")
        assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())
    assert seen == [torch.float32, torch.bfloat16]
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        fit(Clips(), Noise(8, 8), None, settings(precision="16-mixed"), device="cpu")


def test_all_options_together_train() -> None:
    torch.manual_seed(0)
    model = Clips(norm=True)
    wanted = settings(
        epochs=4, batch_size=16, accumulate=2, ema=0.5, mixup=0.2, cutmix=1.0, layer_decay=0.7, stages="head,1,all",
        checkpoint_activations=True, channels_last=True, precision="bf16-mixed", patience=3,
    )  # fmt: skip
    result = fit(model, Noise(32, 16), Noise(16, 16), wanted, device="cpu")
    assert result.history["round"].iloc[-1] == 3
    assert all(p.is_contiguous() and p.isfinite().all() for p in model.parameters())


def test_a_network_of_whole_clips_is_trained_and_measured(actions: Path, tmp_path: Path) -> None:
    from kinema.models.registry import _ENTRIES, register

    @register("clips_for_test", spec=SPEC)
    def clips_for_test(num_classes: int, spec: ClipSpec, stride: int = 2) -> Clips:
        """A network of whole clips."""
        model = Clips()
        model.stride = stride
        return model

    try:
        few = read_data(actions).filter(where="group in ['person01', 'person02', 'person03']")
        chosen = {"epochs": 1, "batch_size": 6, "windows": 1, "stages": "head,all", "workers": 1}
        run: Run = train(
            few, run=str(tmp_path / "run"), model="clips_for_test", settings=chosen, device="torch"
        )
    finally:
        del _ENTRIES["clips_for_test"]
    report = run.results["report"]
    assert set(report["splits"]) == {"train", "valid", "test"}
    assert set(report["baselines"]) == {"majority class", "frame averaging"}
    assert run.results["num_features"] is None and run.results["fit_stopped_epoch2"] == 1
    video = few.segments()[0].video
    import pandas as pd

    table = pd.read_csv(run.folder / "frame_predictions.csv")
    rows = table[table["video"].str.endswith(video.name)][few.classes].to_numpy()
    found = run.recognizer.predict(video)
    assert np.abs(rows[::2] - found.probabilities).max() < 1e-4

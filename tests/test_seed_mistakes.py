"""The mistakes of the five systems that kinema takes the place of, each shown to be impossible here.

S0: frame CNN on UCF101. S1: CNN-LSTM on KTH. S2: real-time cricket classifier. S3: `ar`, candidate clips and LRCN.
S4: deepvideoclassification.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import torch

from kinema.data import ClipSpec, Manifest, Segment, read_data, split_by_group
from kinema.errors import DataError
from kinema.models import Recognizer, VideoModel, create_embedder
from kinema.training import FeatureCache, TrainSettings, fit
from kinema.training.run_folder import frame_rows
from kinema.training.scoring import track_logits
from kinema.video import VideoWriter, open_source

SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)
TINY: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}


def recognizer_of(classes: list[str] | None = None, head: str = "gru") -> Recognizer:
    torch.manual_seed(0)
    found = Recognizer.create("lrcn", classes or ["a", "b"], SPEC, head=head, **TINY)
    found.device = "torch"
    found.model.eval()
    return found


def write_ramp(path: Path, frames: int, fps: float = 10) -> Path:
    """Synthetic flat frames that grow brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps, quality=5) as out:
        for index in range(frames):
            out.write(np.full((32, 32, 3), 20 + (2 * index) % 230, np.uint8))
    return path


def test_s0_frames_of_one_source_never_stand_in_two_splits() -> None:
    names = [f"c{k}/v_c{k}_g{g:02d}_c{c:02d}.avi" for k in range(3) for g in range(8) for c in range(1, 5)]
    split = split_by_group(Manifest({"video": names, "label": [n[:2] for n in names]})).table
    assert set(split["split"]) == {"train", "valid", "test"}
    source = split["video"].str.extract(r"(c\d/v_c\d_g\d\d)")[0]
    assert (split.groupby(source)["split"].nunique() == 1).all()


def test_s0_a_split_that_leaks_is_refused() -> None:
    leaking = Manifest(
        {"video": ["1.avi", "2.avi"], "label": ["a", "b"], "group": ["g", "g"], "split": ["train", "test"]}
    )
    with pytest.raises(DataError, match="which leaks"):
        leaking.validate()


def test_s1_subjects_are_not_shared_between_training_and_test() -> None:
    names = [
        f"person{p:02d}_{a}_d{d}_uncomp.avi"
        for p in range(1, 26)
        for a in ("boxing", "running")
        for d in (1, 2)
    ]
    table = split_by_group(Manifest({"video": names, "label": [n.split("_")[1] for n in names]})).table
    subjects = {name: set(rows["video"].str[:8]) for name, rows in table.groupby("split")}
    assert not subjects["train"] & subjects["test"]
    assert not subjects["train"] & subjects["valid"]
    assert not subjects["valid"] & subjects["test"]


def test_s2_windows_are_oldest_first_in_training_and_in_use(tmp_path: Path) -> None:
    from kinema.training.batches import describe_tracks

    recognizer = recognizer_of()
    model = recognizer.factorised
    video = write_ramp(tmp_path / "ramp.mp4", 40)
    segment = Segment(video, None, None, "a", "train", "g", 0, video.name)
    (track,) = FeatureCache(model.backbone, SPEC, recognizer.embedder).extract([segment]).readable()
    trained = describe_tracks(model.head, [track], stride=1).described.float()
    with open_source(video) as source:
        pictures = np.stack([picture.image for picture in SPEC.pictures(source)])
    assert np.all(np.diff(pictures.mean((1, 2, 3))) > 0)  # the pictures themselves come in order
    embedded = torch.from_numpy(recognizer.embedder(pictures))
    for end in range(4, 21):
        expected = embedded[end - 4 : end]
        assert torch.allclose(trained[end - 4], expected, atol=2e-3 * float(expected.abs().max()))
    state = None
    with torch.inference_mode():
        for features in embedded[:6]:
            _, state = model.step(features[None], state)
    assert state is not None and torch.equal(state[0], embedded[2:6])


def test_s2_one_scaling_for_both_stages_stored_with_the_model(tmp_path: Path) -> None:
    recognizer = recognizer_of()
    spec = ClipSpec(frames=4, fps=5, height=32, width=32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    recognizer.spec = spec
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        trained = recognizer.model(spec.clip(torch.from_numpy(pictures)[None]))
        used = recognizer.factorised.classify(torch.from_numpy(recognizer.embedder(pictures))[None])
    assert torch.allclose(trained, used, atol=1e-5)
    assert Recognizer.load(recognizer.save(tmp_path / "r")).spec == spec


def test_s2_one_backbone_pass_a_picture(tmp_path: Path) -> None:
    recognizer = recognizer_of()
    rows = list(recognizer.stream(write_ramp(tmp_path / "ramp.mp4", 40)))
    assert len(rows) == 20
    assert recognizer.embedder.passes == 20


def test_s2_the_time_that_is_shown_includes_the_backbone(tmp_path: Path) -> None:
    import time

    recognizer = recognizer_of()
    embed = recognizer.embedder

    class Slow:
        engine, passes, at_a_time = "slow", 0, 1

        def __call__(self, pictures: np.ndarray) -> np.ndarray:
            time.sleep(0.02)
            return embed(pictures)

    recognizer._embedder = Slow()  # type: ignore[assignment]
    assert all(row.seconds >= 0.02 for row in recognizer.stream(write_ramp(tmp_path / "ramp.mp4", 8)))


def test_s2_the_end_of_a_file_ends_the_stream(tmp_path: Path) -> None:
    recognizer = recognizer_of()
    for frames in (1, 3, 40):
        rows = list(recognizer.stream(write_ramp(tmp_path / f"{frames}.mp4", frames)))
        assert len(rows) == -(-frames // 2)


def test_s2_seconds_come_from_timestamps_not_from_30_frames_a_second(tmp_path: Path) -> None:
    for fps in (10, 12.5, 25, 50):
        video = write_ramp(tmp_path / f"{fps}.mp4", round(2 * fps), fps)
        times = [row.time for row in recognizer_of().stream(video)]
        assert times[0] == 0
        assert all(0 <= time - k / 5 < 1 / fps for k, time in enumerate(times))
        assert len(times) == 10  # two seconds at five pictures a second, whatever the video's rate


def test_s3_the_size_of_training_is_the_size_of_use(tmp_path: Path) -> None:
    recognizer = Recognizer.load(recognizer_of().save(tmp_path / "r"), device="torch")
    with VideoWriter(tmp_path / "large.mp4", 10) as out:
        for _ in range(4):
            out.write(np.full((120, 160, 3), 90, np.uint8))
    (first, *_) = recognizer.stream(tmp_path / "large.mp4")
    assert first.picture.shape == (32, 32, 3)


def test_s3_the_order_of_classes_is_stored_with_the_model(tmp_path: Path) -> None:
    recognizer = recognizer_of(["zebra", "ant", "moth"])
    folder = recognizer.save(tmp_path / "r")
    assert json.loads((folder / "recognizer.json").read_text())["classes"] == ["zebra", "ant", "moth"]
    video = write_ramp(tmp_path / "ramp.mp4", 20)
    before, after = recognizer.predict(video), Recognizer.load(folder, device="torch").predict(video)
    assert after.classes == ["zebra", "ant", "moth"]
    assert before.label == after.label


class Points(list[tuple[torch.Tensor, torch.Tensor]]):
    """Batches for `fit` of points in a plane."""

    def set_epoch(self, epoch: int) -> None:
        pass

    def logits(self, model: VideoModel, inputs: torch.Tensor) -> torch.Tensor:
        return model(inputs)

    def class_weights(self) -> torch.Tensor:
        return torch.ones(4)


class Linear(VideoModel):
    def __init__(self) -> None:
        super().__init__(4)
        self.layer = torch.nn.Linear(2, 4)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.layer(clips)


def test_s4_the_best_weights_are_used() -> None:
    torch.manual_seed(0)
    points = torch.randn(40, 2)
    labels = (points[:, 0] > 0).long()
    train = Points([(points, labels)])
    valid = Points([(points, torch.where(torch.rand(40) < 0.4, 3 - labels, labels))])
    model = Linear()
    settings = TrainSettings(epochs=15, learning_rate=3.0, warmup=0, label_smoothing=0, weight_decay=0)
    result = fit(model, train, valid, settings, device="cpu")
    losses = result.history["valid_loss"]
    assert losses.iloc[-1] > losses.min() * 1.2  # the last weights are worse than the best
    with torch.no_grad():
        now = torch.nn.functional.cross_entropy(model(points), valid[0][1])
    assert float(now) == pytest.approx(losses.min(), rel=1e-5)


def test_s4_accuracy_is_that_of_the_most_probable_class() -> None:
    # Four classes, always "class 0", right one time in four. Accuracy of four binary answers would be 0.625.
    model = Linear()
    with torch.no_grad():
        model.layer.weight.zero_()
        model.layer.bias.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    points, labels = torch.randn(40, 2), torch.arange(4).repeat(10)
    batches = Points([(points, labels)])
    settings = TrainSettings(epochs=1, learning_rate=1e-9, label_smoothing=0, weight_decay=0)
    history = fit(model, batches, batches, settings, device="cpu").history
    assert history["valid_accuracy"].tolist() == [0.25]
    # Softmax cross-entropy: log(e^3 + 3) - 3 / 4 = 2.3892
    assert history["valid_loss"][0] == pytest.approx(2.3892, abs=1e-3)


def test_s4_pixels_stay_whole_numbers_until_the_one_normalisation(tmp_path: Path) -> None:
    video = write_ramp(tmp_path / "ramp.mp4", 20)
    with open_source(video) as source:
        pictures = [picture.image for picture in SPEC.pictures(source)]
    assert {picture.dtype for picture in pictures} == {np.dtype(np.uint8)}
    assert max(int(picture.max()) for picture in pictures) > 50  # not fractions cut down to 0 and 1
    normalised = SPEC.normalise(torch.from_numpy(np.stack(pictures)))
    assert normalised.dtype == torch.float32
    assert len(normalised.unique()) >= 10


def test_s4_class_10_comes_after_class_2(tmp_path: Path) -> None:
    for label in ("class10", "class2", "class1"):
        write_ramp(tmp_path / label / f"{label}.mp4", 3)
    assert read_data(tmp_path).classes == ["class1", "class2", "class10"]


def test_s4_colours_are_red_green_blue_everywhere(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "red.mp4", 10) as out:
        for _ in range(4):
            out.write(np.broadcast_to(np.array([230, 10, 10], np.uint8), (32, 32, 3)).copy())
    import cv2

    folder = tmp_path / "red"
    folder.mkdir()
    cv2.imwrite(str(folder / "red_00001.png"), np.full((32, 32, 3), (10, 10, 230), np.uint8))  # OpenCV's BGR
    for path in (tmp_path / "red.mp4", folder):
        with open_source(path) as source:
            picture = next(iter(SPEC.pictures(source))).image
        assert picture[16, 16, 0] > 200 and picture[16, 16, 1] < 40 and picture[16, 16, 2] < 40
    clip = SPEC.clip(torch.from_numpy(picture)[None, None])
    assert clip[0, 0, 0, 16, 16] > 0.6 and clip[0, 2, 0, 16, 16] < -0.6  # red is the first channel


def test_s4_the_first_frames_of_a_video_get_predictions(tmp_path: Path) -> None:
    recognizer = recognizer_of()
    video = write_ramp(tmp_path / "ramp.mp4", 20)
    segment = Segment(video, None, None, "a", "test", "g", 0, "ramp.mp4")
    embedder = create_embedder(recognizer.factorised.backbone, SPEC, "torch")
    (track,) = FeatureCache(recognizer.factorised.backbone, SPEC, embedder).extract([segment]).readable()
    table = frame_rows(recognizer, track, track_logits(recognizer.factorised, track), {})
    assert table["frame"].tolist() == list(range(20))
    assert list(table.columns) == ["a", "b", "prediction", "video", "frame", "label", "split", "error"]
    assert not table[["a", "b"]].isna().any().any()
    assert np.allclose(table[["a", "b"]].sum(axis=1), 1, atol=1e-5)
    assert len(recognizer.predict(video).times) == 10


def test_s4_extraction_does_not_stop_at_101_frames(tmp_path: Path) -> None:
    recognizer = recognizer_of()
    video = write_ramp(tmp_path / "long.mp4", 250)
    segment = Segment(video, None, None, "a", "test", "g", 0, "long.mp4")
    cache = FeatureCache(recognizer.factorised.backbone, SPEC, recognizer.embedder)
    (track,) = cache.extract([segment]).readable()
    assert track.frame_indices.tolist() == list(range(250))
    assert len(track.times) == 125
    assert track.times[-1] == pytest.approx(24.8, abs=1e-3)


def test_s4_frames_of_a_variable_rate_are_labelled_by_time(tmp_path: Path) -> None:
    path, unit = tmp_path / "variable.mkv", Fraction(1, 100)
    stamps = [0, 10, 20, 30, 100, 110]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.time_base = unit
        for stamp in stamps:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), stamp, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = stamp, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    recognizer = recognizer_of()
    segment = Segment(path, 0.2, 1.05, "a", "test", "g", 0, path.name)
    cache = FeatureCache(recognizer.factorised.backbone, SPEC, recognizer.embedder)
    (track,) = cache.extract([segment]).readable()
    assert track.frame_times.tolist() == pytest.approx([0.2, 0.3, 1.0], abs=1e-3)
    table = frame_rows(recognizer, track, track_logits(recognizer.factorised, track), {})
    assert isinstance(table, pd.DataFrame)
    assert table["frame"].tolist() == [2, 3, 4]

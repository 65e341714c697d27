"""`kinema train --like-seed s4 --params params.json`: S4's own parameter file, key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from kinema.cli.app import run
from kinema.data import read_data
from kinema.errors import DataError, UsageError
from kinema.training import TrainSettings
from kinema.training.like_seed import consecutive_fps, like_seed, s4_settings

# What S4's constructor writes into params.json; the sizes of its published run.
PUBLISHED: dict[str, Any] = {
    "architecture": "video_LRCNN_frozen",
    "batch_size": 32,
    "convolution_kernel_size": 3,
    "data_shape": "<deepvideoclassification.data.Data object at 0x7f>",
    "dropout": 0.2,
    "frame_size": [224, 224],
    "layer_1_size": 256,
    "layer_2_size": 512,
    "layer_3_size": 256,
    "model_id": 1,
    "model_weights_path": None,
    "num_features": 512,
    "path_model": "models/1/",
    "pooling": "max",
    "pretrained_model_name": "vgg16",
    "sequence_length": 20,
    "sequence_model": "LSTM",
    "sequence_model_layers": 2,
    "verbose": True,
}
C3D: dict[str, Any] = {
    **dict.fromkeys(PUBLISHED), "architecture": "C3D", "batch_size": 8, "sequence_length": 16, "frame_size": [112, 112],
    "layer_1_size": 0, "layer_2_size": 0, "layer_3_size": 0, "dropout": 0, "convolution_kernel_size": 3,
}  # fmt: skip


def test_the_published_run_key_by_key() -> None:
    found = s4_settings(PUBLISHED)
    assert found.model == "video_lrcnn"
    assert found.model_settings == {
        "freeze": True,
        "backbone": "vgg16",
        "pooling": "max",
        "layer_1_size": 256,
        "layer_2_size": 512,
        "layer_3_size": 256,
        "dropout": 0.2,
        "sequence_model": "LSTM",
        "sequence_model_layers": 2,
        "convolution_kernel_size": 3,
    }
    assert found.clip == {"frames": 20, "height": 224, "width": 224}
    settings = TrainSettings.from_dict(found.training)
    assert (settings.batch_size, settings.learning_rate, settings.epochs, settings.patience) == (
        32,
        1e-3,
        20,
        3,
    )
    assert (settings.rounds, settings.stage_rate) == (["head", "head", "head"], 0.1)
    assert (settings.label_smoothing, settings.class_weights, settings.flip) == (0, "none", False)
    assert found.notes[0] == (
        "not applicable to video_LRCNN_frozen here, left out: data_shape, model_id, num_features, path_model, verbose"
    )


@pytest.mark.parametrize("key", sorted(PUBLISHED))
def test_every_key_has_an_effect_or_is_named(key: str) -> None:
    changed = {
        "architecture": "video_MLP_concat", "batch_size": 7, "convolution_kernel_size": 5, "dropout": 0.5,
        "frame_size": [100, 90], "layer_1_size": 3, "layer_2_size": 3, "layer_3_size": 3,
        "model_weights_path": "cnn.safetensors", "pooling": "avg", "pretrained_model_name": "xception",
        "sequence_length": 9, "sequence_model": "GRU", "sequence_model_layers": 1,
    }  # fmt: skip
    before = s4_settings(PUBLISHED)
    if key not in changed:
        assert key in before.notes[0]
        return
    after = s4_settings({**PUBLISHED, key: changed[key]})
    assert (after.model, after.model_settings, after.clip, after.training) != (
        before.model, before.model_settings, before.clip, before.training,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "model", "freeze"),
    [
        ("image_MLP_frozen", "image_mlp", True),
        ("image_MLP_trainable", "image_mlp", False),
        ("video_MLP_concat", "video_mlp_concat", True),
        ("video_LRCNN_frozen", "video_lrcnn", True),
        ("video_LRCNN_trainable", "video_lrcnn", False),
        ("video_lrcnn_frozen", "video_lrcnn", True),  # as its results.json writes it
    ],
)
def test_architectures_over_a_backbone(architecture: str, model: str, freeze: bool) -> None:
    length = 1 if architecture.startswith("image") else 5
    found = s4_settings({**PUBLISHED, "architecture": architecture, "sequence_length": length})
    assert (found.model, found.model_settings["freeze"], found.clip["frames"]) == (model, freeze, length)
    named = "sequence_model" in found.notes[0]
    assert named is ("LRCNN" not in architecture.replace("lrcnn", "LRCNN"))
    TrainSettings.from_dict(found.training)


@pytest.mark.parametrize(("architecture", "model"), [("C3D", "c3d"), ("C3Dsmall", "c3d_small")])
def test_networks_of_3d_convolutions(architecture: str, model: str) -> None:
    found = s4_settings({**C3D, "architecture": architecture, "frame_size": None})
    assert (found.model, found.model_settings) == (model, {})
    assert found.clip == {"frames": 16, "height": 112, "width": 112}
    assert found.training["batch_size"] == 8


def test_sizes_of_frames_that_s4_infers_from_its_backbones() -> None:
    expected = {
        "vgg16": ("vgg16", 224), "resnet50": ("resnet50", 224), "mobilenetv2_1.00_224": ("mobilenetv2_100", 224),
        "xception": ("legacy_xception", 299), "inception_v3": ("inception_v3", 299),
        "inception_resnet_v2": ("inception_resnet_v2", 299),
    }  # fmt: skip
    for theirs, (ours, side) in expected.items():
        found = s4_settings({**PUBLISHED, "pretrained_model_name": theirs, "frame_size": None})
        assert (found.model_settings["backbone"], found.clip["height"], found.clip["width"]) == (
            ours,
            side,
            side,
        )


def test_results_json_is_accepted_and_weights_of_keras_are_named() -> None:
    stored = {**PUBLISHED, "fit_val_acc": 0.91, "data_total_rows_test": 265, "model_param_count": 4_984_578}
    found = s4_settings({**stored, "model_weights_path": "models/3/model.h5"})
    assert "fit_val_acc" in found.notes[-2] or "fit_val_acc" in found.notes[1]
    assert any("models/3/model.h5 (weights of Keras cannot be read)" in note for note in found.notes)
    assert "weights" not in found.model_settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "video_LRCN_frozen"}, "did you mean 'video_LRCNN_frozen'?"),
        ({"architecture": None}, "key 'architecture'"),
        ({"layer1_size": 3}, "unknown key 'layer1_size': did you mean 'layer_1_size'?"),
        ({"layer_1_size": "256"}, "key 'layer_1_size' is '256': give a whole number"),
        ({"layer_2_size": -1}, "of at least 0"),
        ({"sequence_model": "LSTMs"}, "did you mean 'LSTM'?"),
        ({"sequence_model_layers": 4}, "give 1, 2 or 3"),
        ({"sequence_length": 1}, "of at least 2"),
        ({"sequence_length": None}, "key 'sequence_length' is missing"),
        ({"architecture": "image_MLP_frozen"}, "single frames, give 1"),
        ({"architecture": "C3D", "sequence_length": 8}, "of at least 16"),
        ({"pretrained_model_name": "vgg19"}, "did you mean 'vgg16'?"),
        ({"pretrained_model_name": None}, "key 'pretrained_model_name' is missing"),
        ({"pooling": "mean"}, "key 'pooling' is 'mean'"),
        ({"dropout": 1.5}, "give a share from 0 to below 1"),
        ({"dropout": True}, "give a share"),
        ({"frame_size": 224}, "give [height, width]"),
        ({"frame_size": [224, 0]}, "give [height, width]"),
        ({"batch_size": 0}, "of at least 1"),
        ({"convolution_kernel_size": 0}, "of at least 1"),
        ({"model_weights_path": 3}, "give a path or null"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_file_and_key(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({**PUBLISHED, **change}))
    with pytest.raises(UsageError) as caught:
        like_seed("s4", path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"give S4's params\.json"):
        like_seed("s4", path)
    with pytest.raises(DataError, match="no such file"):
        like_seed("s4", tmp_path / "other.json")


def test_other_systems_say_which_model_is_theirs() -> None:
    with pytest.raises(UsageError, match=r"--model cnn_lstm \(or vgg16_lstm\)"):
        like_seed("s1", None)
    with pytest.raises(UsageError, match=r"did you mean 's4'"):
        like_seed("s44", None)
    with pytest.raises(UsageError, match=r"--params params\.json"):
        like_seed("s4", None)


@pytest.fixture(scope="module")
def frame_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """S4's layout, synthetic: three videos of 24 frames; the first half of each is dark, the second bright."""
    root = tmp_path_factory.mktemp("synthetic") / "data"
    rng = np.random.default_rng(0)
    rows = []
    for split in ("train", "valid", "test"):
        video = f"video_{split}"
        (root / video).mkdir(parents=True)
        for index in range(1, 25):
            name = f"{video}_{index:05d}.jpg"
            picture = rng.integers(0, 80, (64, 64, 3)) + (150 if index > 12 else 0)
            cv2.imwrite(str(root / video / name), picture.astype(np.uint8))
            rows.append((video, name, "bright" if index > 12 else "dark", split))
    pd.DataFrame(rows, columns=["video", "frame", "label", "split"]).to_csv(root / "labels.csv", index=False)
    return root


def test_clips_hold_consecutive_frames(frame_folders: Path) -> None:
    manifest = read_data(frame_folders)
    assert consecutive_fps(manifest) == 25
    assert consecutive_fps(manifest.replace(manifest.table.assign(fps=4.0))) == 4
    assert consecutive_fps(manifest.replace(manifest.table.drop(columns="fps"))) == 25


def test_the_command_trains_what_the_file_says(
    frame_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = {**PUBLISHED, "sequence_length": 4, "layer_1_size": 8, "layer_2_size": 6, "layer_3_size": 5}
    (tmp_path / "params.json").write_text(json.dumps({**params, "frame_size": [64, 64]}))
    arguments = ["train", str(frame_folders), "--like-seed", "s4", "--params", str(tmp_path / "params.json")]
    tiny = ["--set", "backbone=test_resnet", "--set", "weights=none", "--epochs", "2", "--device", "torch"]
    code = run([*arguments, "--run", str(tmp_path / "run"), *tiny])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert "not applicable to video_LRCNN_frozen here, left out:" in said.out
    stored = json.loads((tmp_path / "run" / "params.json").read_text())
    assert stored["architecture"] == "video_lrcnn"
    assert (stored["clip"]["frames"], stored["clip"]["fps"], stored["training"]["batch_size"]) == (
        4,
        25.0,
        32,
    )
    assert stored["model"]["sequence_model"] == "LSTM"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--params", "params.json"], 2, "say whose parameter file it is"),
        (["--like-seed", "s4"], 2, "give its parameter file with --params"),
        (["--like-seed", "s4", "--params", "nowhere.json"], 3, "nowhere.json: no such file"),
        (["--like-seed", "s4", "--params", "p.json", "--model", "lrcn"], 2, "leave out --model"),
        (["--like-seed", "s4", "--params", "p.json", "--like", "runs/x"], 2, "leave out --like"),
        (["--like-seed", "s0"], 2, "--model separable_cnn"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    frame_folders: Path, options: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(frame_folders), *options]) == code
    said = capsys.readouterr().err
    assert words in said.replace("\n", " ")

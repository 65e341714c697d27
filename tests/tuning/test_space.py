"""The search space: what applies is asked for, files are read, S4's names are understood, mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import DataError, KinemaError, UsageError
from kinema.models import head_names
from kinema.tuning import Choice, Range, Space
from kinema.tuning.names import TrialSettings
from kinema.tuning.s4_names import translated


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_grid_has_every_combination_once_and_no_setting_that_does_not_apply(tmp_path: Path) -> None:
    file = {"head": ["mean", "lstm"], "hidden": [32, 64], "layers": [1, 2, 3], "dropout": [0.1, 0.5]}
    rows = Space.read(write(tmp_path / "grid.json", file), grid=True).combinations()
    # A mean has neither hidden units nor layers: 2 dropouts. An LSTM: 2 x 3 x 2.
    assert len(rows) == 14
    assert {"model": "lrcn", "head": "mean", "dropout": 0.1} in rows
    assert {"model": "lrcn", "head": "lstm", "hidden": 64, "layers": 3, "dropout": 0.5} in rows


def test_the_default_space_asks_every_registered_head_for_its_own_settings() -> None:
    space = Space.default()
    asked: dict[str, set[str]] = {}
    for head in head_names():
        names: set[str] = set()

        def ask(name: str, entry: Any, head: str = head, names: set[str] = names) -> Any:
            names.add(name)
            if name == "model":
                return "lrcn"
            if name == "head":
                return head
            return entry.values[0] if isinstance(entry, Choice) else entry.low

        values = space.draw(ask)
        TrialSettings.of(values)
        asked[head] = names
    assert {"hidden", "layers", "width", "dropout"} <= asked["lstm"]
    assert {"blocks", "kernel"} <= asked["tcn"]
    assert {"heads", "queries"} <= asked["attention"]
    assert not {"hidden", "layers", "lag"} & asked["mean"]
    for names in asked.values():
        assert {"frames", "fps", "learning_rate", "dropout"} <= names


def test_a_toml_space_has_ranges(tmp_path: Path) -> None:
    text = 'model = "lrcn"\nhead = ["gru"]\nhidden = {low = 16, high = 64}\n'
    text += "learning_rate = {low = 1e-4, high = 1e-2, log = true}\n"
    space = Space.read(write(tmp_path / "space.toml", text))
    assert space.entries["hidden"] == Range(16, 64)
    assert space.entries["hidden"].whole  # type: ignore[union-attr]
    assert space.entries["learning_rate"] == Range(1e-4, 1e-2, log=True)
    asked = []
    space.draw(lambda name, entry: asked.append(name) or entry.low)  # type: ignore[func-returns-value,union-attr]
    assert asked == ["hidden", "learning_rate"]  # what has one value is not asked for


def test_settings_go_to_where_they_belong() -> None:
    found = TrialSettings.of(
        {
            "model": "lrcn",
            "head": "lstm",
            "width": 64,
            "size": 112,
            "span": 2.0,
            "fps": 8,
            "learning_rate": 0.01,
        }
    )
    assert found.model_settings == {"head": "lstm", "head_settings": {"width": 64}, "weights": "bundled"}
    assert found.clip == {"height": 112, "width": 112, "fps": 8, "frames": 16}  # 2 s at 8 a second
    assert found.training == {"learning_rate": 0.01}
    assert (
        TrialSettings.of({"model": "lrcn", "backbone": "resnet50"}).model_settings["weights"] == "pretrained"
    )
    assert TrialSettings.of({"model": "lrcn", "frames": 10, "span": 4.0}).clip["fps"] == 2.5


def test_s4s_parameter_file_is_a_grid(tmp_path: Path) -> None:
    params = {
        "architecture": "video_LRCNN_frozen", "pretrained_model_name": "vgg16", "sequence_model": ["LSTM", "GRU"],
        "sequence_model_layers": [1, 2], "layer_1_size": 256, "layer_2_size": 512, "layer_3_size": 256, "dropout": 0.2,
        "pooling": ["max", "avg"], "sequence_length": 20, "frame_size": [224, 224], "batch_size": 32, "model_id": 1,
        "fit_test_acc": 0.79, "data_total_rows_test": 265, "verbose": True, "convolution_kernel_size": 3,
    }  # fmt: skip
    rows = Space.read(write(tmp_path / "params.json", params), grid=True).combinations()
    assert len(rows) == 8
    settings = TrialSettings.of(rows[0])
    assert settings.model == "video_lrcnn"
    assert settings.model_settings["backbone"] == "vgg16"
    assert settings.model_settings["freeze"] is True
    assert settings.model_settings["weights"] == "pretrained"
    assert settings.clip == {"frames": 20, "height": 224, "width": 224}
    assert settings.training == {"batch_size": 32}
    assert [row["sequence_model"] for row in rows].count("GRU") == 4


def test_s4s_rows_are_a_grid_of_exactly_those(tmp_path: Path) -> None:
    rows = [
        {"architecture": "image_MLP_frozen", "dropout": 0.1},
        {"architecture": "video_MLP_concat", "dropout": [0.2, 0.3]},
    ]
    found = Space.read(write(tmp_path / "rows.json", rows), grid=True).combinations()
    assert [(row["model"], row["dropout"]) for row in found] == [
        ("image_mlp", 0.1), ("video_mlp_concat", 0.2), ("video_mlp_concat", 0.3),
    ]  # fmt: skip
    assert translated({"sequence_model": "LSTM"})["model"] == "video_lrcnn"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"head": ["lstn"]}, "did you mean 'lstm'?"),
        ({"model": "lrcm"}, "did you mean 'lrcn'?"),
        ({"model": "lrcn", "hiden": [1]}, "did you mean 'hidden'?"),
        ({"model": "motion_moments", "layers": [1, 2]}, "no chosen model has a setting 'layers'"),
        ({"model": "lrcn", "learning_rate": ["fast"]}, "setting learning_rate='fast'"),
        ({"model": "lrcn", "frames": [0]}, "clip setting frames=0"),
        ({"model": "lrcn", "dropout": []}, "the list is empty"),
        ({"model": "lrcn", "learning_rate": {"low": 0, "high": 1, "log": True}}, "above 0 with log"),
        ({"model": "lrcn", "learning_rate": {"low": 2, "high": 1}}, "low must be below high"),
        ({"model": "lrcn", "dropout": {"min": 0, "max": 1}}, "a range has low, high"),
        ({"architecture": "video_LRCN_frozen"}, "did you mean 'video_lrcnn_frozen'?"),
        ([], "a table of settings is needed"),
        ("not json", "neither JSON nor TOML"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, value: Any, words: str) -> None:
    path = write(tmp_path / "space.json", value)
    with pytest.raises(KinemaError) as caught:
        Space.read(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_range_in_a_grid_and_a_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path / "grid.json", {"head": "gru", "dropout": {"low": 0, "high": 1}})
    with pytest.raises(UsageError, match="a grid needs a list of values"):
        Space.read(path, grid=True)
    with pytest.raises(DataError, match=r"none\.json: No such file"):
        Space.read(tmp_path / "none.json")

"""Wrong names, settings and files: one line that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import FrameBackbone, Recognizer, create_model

SMALL: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}
SPEC = ClipSpec(frames=4, fps=5, height=64, width=64)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("lrcm", {}, "did you mean 'lrcn'?"),
        ("lrcn", {"haed": "gru"}, "did you mean 'head'?"),
        ("lrcn", {**SMALL, "head": "lstn"}, "did you mean 'lstm'?"),
        ("lrcn", {**SMALL, "head": "gru", "head_settings": {"hiden": 3}}, "did you mean 'hidden'?"),
        ("lrcn", {**SMALL, "head": "gru", "head_settings": {"cell": "rnn"}}, "has no setting 'cell'"),
        ("lrcn", {"backbone": "resnet5", "weights": "none"}, "did you mean 'resnet"),
        ("lrcn", {"backbone": "zzzzzzzz", "weights": "none"}, "timm.list_models()"),
        ("lrcn", {"backbone": "resnet18", "weights": "bundled"}, "tf_efficientnet_lite0"),
        ("lrcn", {"weights": "no/such/file.pth"}, "no such weights file"),
        ("lrcn", {**SMALL, "freeze": "False"}, "give true or false"),
        ("frame_mlp", {**SMALL, "hidden": "many"}, "give a whole number"),
        ("frame_mlp", {**SMALL, "dropout": "half"}, "give a number"),
        ("motion_moments", {**SMALL, "strides": (7,)}, "no map at stride 7: it has [2, 4, 8, 16, 32]"),
    ],
)
def test_unknown_names_and_settings_name_the_nearest(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_model(name, 3, SPEC, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("tap", ["pol", "stride16", "stride16:0", "stride:3"])
def test_unknown_taps_are_refused(tap: str) -> None:
    with pytest.raises(UsageError, match="give 'pool', or 'strideS:G'"):
        FrameBackbone(SMALL["backbone"], "none", (tap,))


def test_pretrained_weights_without_a_network_name_the_offline_choice(tmp_path: Path) -> None:
    code = (
        "from kinema.models import FrameBackbone\n"
        "from kinema.errors import DataError\n"
        "try:\n"
        "    FrameBackbone('resnet18', 'pretrained')\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "TORCH_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    (line,) = done.stdout.splitlines()
    assert "resnet18" in line
    assert "weights=bundled" in line and "tf_efficientnet_lite0" in line


class Runs:
    """What a pickle could bring along."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.ones(1)], "holds no tensors by name"),
        ("a word", "cannot be read as a checkpoint"),
        ({"weight": torch.ones(1), "more": Runs()}, "a pickle that holds more than tensors"),
        (
            {"x": torch.ones(1)},
            "missing, first 'conv1.0.weight'; give its own state dict",
        ),
        (
            {"conv1.0.weight": torch.ones(5, 3, 3, 3)},
            "1 of another shape, first 'conv1.0.weight', 5 x 3 x 3 x 3 there and 16 x 3 x 3 x 3 here",
        ),
    ],
    ids=["a list", "a word", "a pickle", "another network", "another shape"],
)
def test_a_weights_file_that_does_not_fit_is_named(
    tmp_path: Path, content: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, str):
        path.write_text(content)
    else:
        torch.save(content, path)
    with pytest.raises(DataError) as caught:
        FrameBackbone(SMALL["backbone"], str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "this must not run" not in capsys.readouterr().out


def test_a_weights_file_is_used(tmp_path: Path) -> None:
    source = FrameBackbone(SMALL["backbone"], "none")
    torch.save({"state_dict": source.network.state_dict()}, tmp_path / "weights.pth")
    loaded = FrameBackbone(SMALL["backbone"], str(tmp_path / "weights.pth"))
    assert loaded.fingerprint() == source.fingerprint()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Recognizer.create("lrcn", ["a", "b"], SPEC, **SMALL).save(tmp_path_factory.mktemp("run") / "r")


def change(path: Path, **values: Any) -> None:
    stored = json.loads(path.read_text())
    stored.update(values)
    path.write_text(json.dumps({key: value for key, value in stored.items() if value is not None}))


@pytest.mark.parametrize(
    ("damage", "file", "words"),
    [
        (lambda f: (f / "recognizer.json").unlink(), "", "holds no recognizer.json"),
        (lambda f: (f / "recognizer.json").write_text('{"format": 1,'), "recognizer.json", "damaged"),
        (lambda f: (f / "recognizer.json").write_text("[]"), "recognizer.json", "damaged"),
        (lambda f: (f / "recognizer.json").write_bytes(b"\xff\xfe\x00"), "recognizer.json", "damaged"),
        (lambda f: change(f / "recognizer.json", format=99), "", "upgrade kinema"),
        (lambda f: change(f / "recognizer.json", classes=None), "recognizer.json", "no 'classes'"),
        (lambda f: change(f / "recognizer.json", temperature=None), "recognizer.json", "no 'temperature'"),
        (lambda f: change(f / "recognizer.json", model="lrcm"), "recognizer.json", "unknown model"),
        (lambda f: change(f / "recognizer.json", clip={"colr": "rgb"}), "recognizer.json", "colr"),
        (lambda f: change(f / "recognizer.json", settings={"haed": 1}), "recognizer.json", "haed"),
        (lambda f: change(f / "recognizer.json", settings=3), "recognizer.json", "damaged"),
        (
            lambda f: change(f / "recognizer.json", classes=["a", "b", "c"]),
            "weights.safetensors",
            "does not fit its recognizer.json, a 'lrcn' for a, b, c: weights of 2 classes, and the list has 3; copy",
        ),
        (
            lambda f: change(f / "recognizer.json", model="frame_mlp"),
            "weights.safetensors",
            (
                "a 'frame_mlp' for a, b: of ",
                "4 missing, first 'head.layers.1.weight'; 8 unknown, first 'head.c",
            ),
        ),
        (
            lambda f: change(f / "recognizer.json", settings={**SMALL, "head_settings": {"hidden": 64}}),
            "weights.safetensors",
            # The four tensors of the LSTM, and what classifies its output.
            "5 of another shape, first 'head.cell.weight_ih_l0', 512 x 256 there and 256 x 256 here",
        ),
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors", "missing"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"1234"), "weights.safetensors", "damaged"),
        (
            lambda f: (f / "weights.safetensors").write_bytes((f / "weights.safetensors").read_bytes()[:-99]),
            "weights.safetensors",
            "damaged",
        ),
    ],
)
def test_a_damaged_recognizer_is_one_line_that_names_the_file(
    saved: Path, tmp_path: Path, damage: Any, file: str, words: str | tuple[str, ...]
) -> None:
    folder = tmp_path / "recognizer"
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    Recognizer.load(tmp_path)  # a run folder, whole
    damage(folder)
    with pytest.raises(DataError) as caught:
        Recognizer.load(folder)
    assert str(folder / file) in str(caught.value)
    for part in [words] if isinstance(words, str) else words:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        Recognizer.load(tmp_path / "nothing")

"""Trains as another system did: S4's own parameter file, read key by key."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.data import Manifest
from kinema.errors import DataError, UsageError, closest

# Systems without a parameter file: their networks are models.
_MODELS = {
    "s0": "separable_cnn",
    "s1": "cnn_lstm (or vgg16_lstm)",
    "s2": "vgg16_look_back",
    "s3": "lrcn_bilstm (or fstcn, slowfast, r2plus1d_18)",
}
# S4's architectures: our model, the settings that its name stands for, and the rounds of training that it had.
_ARCHITECTURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "image_MLP_frozen": ("image_mlp", {"freeze": True}, "head,head,head"),
    "image_MLP_trainable": ("image_mlp", {"freeze": False}, "head,2,all"),
    "video_MLP_concat": ("video_mlp_concat", {"freeze": True}, "head,head,head"),
    "video_LRCNN_frozen": ("video_lrcnn", {"freeze": True}, "head,head,head"),
    "video_LRCNN_trainable": ("video_lrcnn", {"freeze": False, "train_layers": 1}, "all,all,all"),
    "C3D": ("c3d", {}, "all,all,all"),
    "C3Dsmall": ("c3d_small", {}, "all,all,all"),
}
# S4's names of Keras networks: timm's, and the pixels that S4 gave them.
_BACKBONES = {
    "vgg16": ("vgg16", 224),
    "resnet50": ("resnet50", 224),
    "mobilenetv2_1.00_224": ("mobilenetv2_100", 224),
    "xception": ("legacy_xception", 299),
    "inception_v3": ("inception_v3", 299),
    "inception_resnet_v2": ("inception_resnet_v2", 299),
}
_SEQUENCE_MODELS = ("LSTM", "SimpleRNN", "GRU", "Convolution1D")
_PICTURES = ("pretrained_model_name", "pooling")
_DENSE = ("layer_1_size", "layer_2_size", "layer_3_size", "dropout")
_SEQUENCE = ("sequence_model", "sequence_model_layers", "convolution_kernel_size")
_USED = {
    "image_mlp": (*_PICTURES, *_DENSE),
    "video_mlp_concat": (*_PICTURES, *_DENSE),
    "video_lrcnn": (*_PICTURES, *_DENSE, *_SEQUENCE),
    "c3d": (),
    "c3d_small": (),
}
_NO_EFFECT = ("data_shape", "model_id", "num_features", "path_model", "verbose")
_KNOWN = (
    "architecture", "sequence_length", "frame_size", "batch_size", "model_weights_path",
    *_PICTURES, *_DENSE, *_SEQUENCE, *_NO_EFFECT,
)  # fmt: skip
# How S4 trained whatever its file says: Adam at 0.001, a tenth of it each round, early stopping; no augmentation, no weighting.
_TRAINING: dict[str, Any] = {
    "learning_rate": 1e-3,
    "stage_rate": 0.1,
    "epochs": 20,
    "patience": 3,
    "batch_size": 32,
    "flip": False,
    "label_smoothing": 0.0,
    "class_weights": "none",
}


@dataclass
class LikeSeed:
    """What another system's parameters are here: a model, its settings, changes to its ClipSpec and to `TrainSettings`.

    `notes` are lines for the user: what has no counterpart, and what is done otherwise.
    """

    model: str
    model_settings: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def like_seed(system: str, params: str | os.PathLike[str] | None) -> LikeSeed:
    """Return how to train as `system` with the parameter file `params`: `s4` and its params.json (or results.json).

    Raises `UsageError` for another system or a setting that cannot be, `DataError` for a file that cannot be read.
    """
    if system.lower() in _MODELS:
        raise UsageError(
            f"--like-seed {system}: it has no parameter file; its network is a model: --model {_MODELS[system.lower()]}"
        )
    if system.lower() != "s4":
        raise UsageError(f"--like-seed {system}: {closest(system, ['s4', *_MODELS])}")
    if params is None:
        raise UsageError("--like-seed s4: give its parameter file with --params params.json")
    path = Path(params)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give S4's params.json") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); give S4's params.json") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}: holds no table of settings; give S4's params.json")
    try:
        return s4_settings(stored)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def s4_settings(params: dict[str, Any]) -> LikeSeed:
    """Translate S4's parameters; every key is used, named in `notes`, or refused.

    Raises `UsageError` naming the key.
    """
    for key in params:
        if key not in _KNOWN and not key.startswith(("fit_", "data_total_rows_", "model_param")):
            raise UsageError(f"unknown key '{key}': {closest(key, _KNOWN)}")
    name = _architecture(params.get("architecture"))
    model, fixed, stages = _ARCHITECTURES[name]
    found = LikeSeed(model, dict(fixed), training={**_TRAINING, "stages": stages})
    if params.get("batch_size") is not None:
        found.training["batch_size"] = _whole(params, "batch_size", 1)
    for key in _USED[model]:
        if params.get(key) is not None:
            found.model_settings.update(_READERS[key](params, key))
    if "backbone" not in found.model_settings and _USED[model]:
        raise UsageError(f"key 'pretrained_model_name' is missing: {closest('', tuple(_BACKBONES))}")
    _clip(params, name, found)
    _weights(params, found)
    used = (
        *_USED[model],
        "architecture",
        "sequence_length",
        "frame_size",
        "batch_size",
        "model_weights_path",
    )
    unused = [key for key, value in params.items() if key not in used and value not in (None, 0)]
    if unused:
        found.notes.append(f"not applicable to {name} here, left out: {', '.join(sorted(unused))}")
    found.notes.append(
        "done otherwise than S4: cross-entropy in place of binary cross-entropy, RGB in one order, the best weights are used"
    )
    return found


def consecutive_fps(manifest: Manifest) -> float:
    """Return the frames a second at which a clip holds consecutive frames, as S4's sequences do: the table's `fps`, else 25."""
    if "fps" not in manifest.table:
        return 25.0
    rates = pd.to_numeric(manifest.table["fps"], errors="coerce").dropna()
    return float(rates.median()) if len(rates) else 25.0


def _architecture(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"key 'architecture': {closest(str(value or ''), tuple(_ARCHITECTURES))}")
    by_lower = {
        name.lower(): name for name in _ARCHITECTURES
    }  # its results.json writes them in small letters
    if value.lower() not in by_lower:
        raise UsageError(f"unknown architecture '{value}': {closest(value, tuple(_ARCHITECTURES))}")
    return by_lower[value.lower()]


def _clip(params: dict[str, Any], name: str, found: LikeSeed) -> None:
    plain = found.model in ("c3d", "c3d_small")
    least = {"image_mlp": 1, "video_mlp_concat": 2, "video_lrcnn": 2}.get(found.model, 16)
    frames = _whole(params, "sequence_length", least) if params.get("sequence_length") is not None else least
    if params.get("sequence_length") is None and found.model.startswith("video"):
        raise UsageError("key 'sequence_length' is missing: give frames in a sequence, at least 2")
    if found.model == "image_mlp" and frames != 1:
        raise UsageError(f"key 'sequence_length' is {frames}: {name} sees single frames, give 1")
    size = params.get("frame_size")
    if size is None:
        known = dict(_BACKBONES.values())
        side = 112 if plain else known[found.model_settings["backbone"]]
        size = [side, side]
    fits = isinstance(size, list) and len(size) == 2 and all(_is_whole(side) and side > 0 for side in size)
    if not fits:
        raise UsageError(f"key 'frame_size' is {size!r}: give [height, width] in pixels")
    found.clip.update({"frames": frames, "height": size[0], "width": size[1]})


def _weights(params: dict[str, Any], found: LikeSeed) -> None:
    path = params.get("model_weights_path")
    if path is None:
        return
    if not isinstance(path, str):
        raise UsageError(f"key 'model_weights_path' is {path!r}: give a path or null")
    if path.endswith((".h5", ".hdf5", ".keras")) or "backbone" not in found.model_settings:
        found.notes.append(
            f"not applicable here, left out: model_weights_path {path} (weights of Keras cannot be read)"
        )
    else:
        found.model_settings["weights"] = path


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(params: dict[str, Any], key: str, least: int) -> int:
    value = params[key]
    if not _is_whole(value) or value < least:
        raise UsageError(f"key '{key}' is {value!r}: give a whole number of at least {least}")
    return int(value)


def _size(params: dict[str, Any], key: str) -> dict[str, Any]:
    return {key: _whole(params, key, 0)}


def _layers(params: dict[str, Any], key: str) -> dict[str, Any]:
    if not _is_whole(params[key]) or not 1 <= params[key] <= 3:
        raise UsageError(f"key '{key}' is {params[key]!r}: give 1, 2 or 3")
    return {key: params[key]}


def _dropout(params: dict[str, Any], key: str) -> dict[str, Any]:
    value = params[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1:
        raise UsageError(f"key '{key}' is {value!r}: give a share from 0 to below 1")
    return {key: float(value)}


def _word(known: tuple[str, ...]) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    def read(params: dict[str, Any], key: str) -> dict[str, Any]:
        if params[key] not in known:
            raise UsageError(f"key '{key}' is {params[key]!r}: {closest(str(params[key]), known)}")
        return {key: params[key]}

    return read


def _backbone(params: dict[str, Any], key: str) -> dict[str, Any]:
    return {"backbone": _BACKBONES[_word(tuple(_BACKBONES))(params, key)[key]][0]}


_READERS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "pretrained_model_name": _backbone,
    "pooling": _word(("max", "avg")),
    "layer_1_size": _size,
    "layer_2_size": _size,
    "layer_3_size": _size,
    "dropout": _dropout,
    "sequence_model": _word(_SEQUENCE_MODELS),
    "sequence_model_layers": _layers,
    "convolution_kernel_size": lambda params, key: {key: _whole(params, key, 1)},
}

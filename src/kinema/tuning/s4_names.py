"""S4's names of settings in kinema's: its parameter files and grids are read as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinema.errors import UsageError, closest

# Its architectures: the model and what else it says.
_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "image_mlp_frozen": {"model": "image_mlp", "freeze": True},
    "image_mlp_trainable": {"model": "image_mlp", "freeze": False},
    "video_mlp_concat": {"model": "video_mlp_concat"},
    "video_lrcnn_frozen": {"model": "video_lrcnn", "freeze": True},
    "video_lrcnn_trainable": {"model": "video_lrcnn", "freeze": False},
    "c3d": {"model": "c3d"},
    "c3dsmall": {"model": "c3d_small"},
}
# Keras's names of networks in timm's.
_BACKBONES = {
    "vgg16": "vgg16",
    "mobilenetv2": "mobilenetv2_100",
    "inception_resnet_v2": "inception_resnet_v2",
    "resnet50": "resnet50",
    "xception": "xception",
    "inception_v3": "inception_v3",
}
_RENAMED = {"sequence_length": "frames", "pretrained_model_name": "backbone", "architecture": "model"}
# What its files say besides settings: results, places, numbers of rows.
_NO_SETTINGS = (
    "model_id",
    "verbose",
    "path_model",
    "model_weights_path",
    "model_param_count",
    "num_features",
)
_ITS_OWN = ("sequence_model", "sequence_model_layers", "layer_1_size", "convolution_kernel_size")


def translated(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with kinema's names and values; one without a name of S4's comes back as it is.

    Architectures in a list are combined with whether the backbone is trained; `UsageError` where that is not what it says.

    >>> translated({"architecture": "video_LRCNN_frozen", "sequence_length": [10, 20]})
    {'model': 'video_lrcnn', 'freeze': True, 'frames': [10, 20]}
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in _NO_SETTINGS or name.startswith(("fit_", "data_total_")):
            continue
        if name == "architecture":
            found |= _architectures(value)
        elif name == "pretrained_model_name":
            found["backbone"] = _each(value, lambda word: _BACKBONES.get(str(word).lower(), word))
        elif name == "frame_size":
            found |= _frame_size(value)
        else:
            found[_RENAMED.get(name, name)] = value
    if "model" not in found and any(name in found for name in _ITS_OWN):
        found["model"] = "video_lrcnn"
    return found


def _architectures(value: Any) -> dict[str, Any]:
    words = value if isinstance(value, list) else [value]
    chosen = []
    for word in words:
        key = str(word).lower()
        if key not in _ARCHITECTURES:
            raise UsageError(f"unknown architecture '{word}': {closest(key, list(_ARCHITECTURES))}")
        chosen.append(_ARCHITECTURES[key])
    found: dict[str, Any] = {"model": list(dict.fromkeys(str(c["model"]) for c in chosen))}
    freezes = list(dict.fromkeys(c["freeze"] for c in chosen if "freeze" in c))
    of_either = {c["model"] for c in chosen if "freeze" in c}
    if len(freezes) * len(of_either) > len({(c["model"], c["freeze"]) for c in chosen if "freeze" in c}):
        raise UsageError(
            "setting architecture: frozen and trainable ones differ from model to model here; write a list of tables, "
            "one for the frozen and one for the trainable ones"
        )
    if freezes:
        found["freeze"] = freezes
    return {key: items if isinstance(value, list) else items[0] for key, items in found.items()}


def _frame_size(value: Any) -> dict[str, Any]:
    if isinstance(value, list) and value and all(isinstance(pair, list) for pair in value):
        if any(len(pair) != 2 or pair[0] != pair[1] for pair in value):
            raise UsageError(
                "setting frame_size: several sizes must be squares, such as [[112, 112], [224, 224]]"
            )
        return {"size": [pair[0] for pair in value]}
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError(f"setting frame_size={value!r}: give height and width, such as [224, 224]")
    return {"clip.height": value[0], "clip.width": value[1]}


def _each(value: Any, change: Any) -> Any:
    return [change(item) for item in value] if isinstance(value, list) else change(value)

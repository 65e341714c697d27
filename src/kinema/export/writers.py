"""Graphs as files of each format, with their metadata; none is kept that computes something else than torch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from kinema.errors import KinemaError, UsageError, first_line
from kinema.files import atomic_path
from kinema.models.runtimes.graphs import TORCHSCRIPT_KEY, openvino_module, write_openvino_info
from kinema.models.runtimes.info import ExportInfo
from kinema.models.runtimes.names import file_of
from kinema.models.runtimes.parts import GraphPart, write_part
from kinema.models.runtimes.tracing import trace

Writer = Callable[[GraphPart, ExportInfo, Path], Path]


def write_onnx_part(part: GraphPart, info: ExportInfo, folder: Path) -> Path:
    """Write a graph as ONNX, its metadata in `metadata_props`."""
    path = file_of(folder, part.part, "onnx")
    write_part(part, path)
    add_onnx_info(path, info)
    return path


def add_onnx_info(path: Path, info: ExportInfo) -> None:
    """Put the metadata into an ONNX file in place of what it has."""
    import onnx

    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, info.to_strings())
    model.producer_name, model.producer_version = "kinema", info.kinema
    with atomic_path(path) as temporary:
        onnx.save(model, str(temporary))


def write_openvino_part(part: GraphPart, info: ExportInfo, folder: Path) -> Path:
    """Write a graph as OpenVINO's pair of files in float32, its metadata in `rt_info`; made from ONNX."""
    openvino_module()
    with tempfile.TemporaryDirectory(dir=folder) as between:
        path = file_of(Path(between), part.part, "onnx")
        write_part(part, path)
        return convert_to_openvino(path, part, info, folder)


def convert_to_openvino(onnx_path: Path, part: GraphPart, info: ExportInfo, folder: Path) -> Path:
    """Write an ONNX file, quantised or not, as OpenVINO's pair of files."""
    openvino = openvino_module()
    path = file_of(folder, part.part, "openvino")
    try:
        model = openvino.convert_model(str(onnx_path))
        write_openvino_info(model, info)
        openvino.save_model(model, str(path), compress_to_fp16=False)
    except KinemaError:
        raise
    except Exception as error:
        raise UsageError(
            f"OpenVINO cannot take this network ({first_line(error)}); take --to onnx"
        ) from error
    return path


def write_torchscript_part(part: GraphPart, info: ExportInfo, folder: Path) -> Path:
    """Write a graph as TorchScript, its metadata in the extra file `kinema.json`."""
    path = file_of(folder, part.part, "torchscript")
    try:
        traced = trace(part.module, part.example(2))
    except Exception as error:
        raise UsageError(
            f"this network cannot be written as TorchScript ({first_line(error)}); take --to onnx"
        ) from error
    stored = {
        **info.to_strings(),
        "inputs": json.dumps(part.inputs),
        "outputs": json.dumps(part.outputs),
    }
    with atomic_path(path) as temporary:
        torch.jit.save(traced, str(temporary), _extra_files={TORCHSCRIPT_KEY: json.dumps(stored)})
    return path


WRITERS: dict[str, Writer] = {
    "onnx": write_onnx_part,
    "openvino": write_openvino_part,
    "torchscript": write_torchscript_part,
}

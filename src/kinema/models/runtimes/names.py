"""The words of `runtime=`, and where the files of each lie in a recognizer's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kinema.errors import UsageError, closest

Part = Literal["whole", "backbone", "head", "step"]

RUNTIMES = ("auto", "torch", "onnx", "onnx-int8", "openvino", "openvino-int8", "torchscript")
FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".ts"}
# The file of each part, before the suffix of its format.
_STEMS: dict[Part, str] = {"whole": "model", "backbone": "backbone", "head": "head", "step": "step"}


def check_runtime(word: str) -> str:
    """Return `word`; raises `UsageError` with the nearest known one where it is none of `RUNTIMES`."""
    if word not in RUNTIMES:
        raise UsageError(f"runtime '{word}': {closest(word, RUNTIMES)}")
    return word


def format_of(runtime: str) -> str:
    """Return the file format of a runtime.

    >>> format_of("onnx-int8")
    'onnx'
    """
    return runtime.removesuffix("-int8")


def export_folder(recognizer_folder: Path, runtime: str) -> Path:
    """Return where a recognizer's exported files for `runtime` lie."""
    return recognizer_folder / runtime


def file_of(folder: Path, part: Part, file_format: str) -> Path:
    """Return the file of one part: `model.onnx`, `backbone.onnx`, `head.onnx` or `step.onnx`, and so on."""
    return folder / f"{_STEMS[part]}{FORMATS[file_format]}"


def parts_in(folder: Path, file_format: str) -> dict[Part, Path]:
    """Return the parts that are there, with their files."""
    found = {part: file_of(folder, part, file_format) for part in _STEMS}
    return {part: path for part, path in found.items() if path.is_file()}


def export_command(recognizer_folder: Path | None, runtime: str) -> str:
    """Return the command that writes what `runtime` needs."""
    where = "RUN" if recognizer_folder is None else str(recognizer_folder)
    int8 = " --int8" if runtime.endswith("-int8") else ""
    return f"kinema export {where} --to {format_of(runtime)}{int8}"

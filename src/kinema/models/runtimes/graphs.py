"""Exported files as callables: ONNX Runtime, OpenVINO and TorchScript behind one interface."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError, UsageError, first_line
from kinema.files import cache_folder
from kinema.models.runtimes.info import ExportInfo
from kinema.models.runtimes.names import FORMATS

_OPENVINO_KEY = "kinema"
_FIRST_CALL = threading.Lock()
TORCHSCRIPT_KEY = "kinema.json"


class Graph(Protocol):
    """An exported graph; `engine` names what runs it. May be called from several threads at a time."""

    engine: str

    def run(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs, all of them by default."""


def open_graph(path: Path, threads: int, streams: int = 1, *, openvino: bool = False) -> Graph:
    """Open an exported file of any format by its suffix; `threads` compute, for `streams` callers at a time.

    `openvino` lets OpenVINO run an ONNX file.

    Raises `DataError` where the file is missing or damaged, `UsageError` where what runs it is not installed.
    """
    kinds: dict[str, Any] = {
        FORMATS["onnx"]: OnnxGraph, FORMATS["openvino"]: OpenVinoGraph, FORMATS["torchscript"]: TorchScriptGraph
    }  # fmt: skip
    kind = OpenVinoGraph if openvino else kinds.get(path.suffix)
    if kind is None:
        raise UsageError(f"{path}: not an exported file; give one that ends in {', '.join(kinds)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file; make it with kinema export")
    try:
        graph: Graph = kind(path, threads, streams)
    except (DataError, UsageError):
        raise
    except Exception as error:  # each engine has its own kinds for one cause
        raise DataError(f"{path}: damaged ({first_line(error)}); export again") from error
    return graph


class OnnxGraph:
    """A graph in ONNX Runtime on the CPU, in as many threads as are given for each caller."""

    engine = "onnxruntime cpu"

    def __init__(self, path: Path, threads: int, streams: int = 1) -> None:
        self._session = onnx_session(path, max(1, threads // streams))
        self._names = [output.name for output in self._session.get_outputs()]

    def run(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        names = list(outputs or self._names)
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))


class OpenVinoGraph:
    """A graph in OpenVINO on the CPU, in float32 (int8 layers stay int8): its own choice of bfloat16 is switched off.

    Callers take turns, with all threads inside each layer.
    """

    engine = "openvino cpu"

    def __init__(self, path: Path, threads: int, streams: int = 1) -> None:
        core = _openvino_core()
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            # One: with more, int8 graphs of 2026.4 now and then compute something else, in the same process or the next.
            "NUM_STREAMS": 1,
            # Compiling takes seconds; what it makes is kept for the next time.
            "CACHE_DIR": str(cache_folder() / "openvino"),
        }
        self._compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
        # An output may have several names, and the one that is wanted need not be the first.
        ports = self._compiled.outputs
        self._places = {name: place for place, port in enumerate(ports) for name in port.get_names()}
        self._local = threading.local()
        # The first call of the process prepares its arrays; two threads that do so at once wait for each other for ever.
        with _FIRST_CALL:
            self.run({port.get_any_name(): _zeros(port) for port in self._compiled.inputs})

    def run(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()  # one is for one caller at a time
        found = self._local.request.infer(dict(feeds))
        values = found.to_tuple()
        # Copies: what infer returns is overwritten by the next call.
        return {name: values[self._places[name]].copy() for name in (outputs or self._places)}


class TorchScriptGraph:
    """A graph in TorchScript on the CPU; torch's own setting says how many threads."""

    engine = "torchscript cpu"

    def __init__(self, path: Path, threads: int, streams: int = 1) -> None:
        import torch

        extra = {TORCHSCRIPT_KEY: ""}
        self._module = torch.jit.load(str(path), map_location="cpu", _extra_files=extra)
        stored = json.loads(extra[TORCHSCRIPT_KEY])
        self._inputs, self._names = json.loads(stored["inputs"]), json.loads(stored["outputs"])

    def run(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        import torch

        with torch.inference_mode():
            given = [torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in self._inputs]
            found = self._module(*given)
        found = found if isinstance(found, tuple) else (found,)
        named = {name: value.numpy() for name, value in zip(self._names, found, strict=True)}
        return {name: named[name] for name in (outputs or self._names)}


def _zeros(port: Any) -> NDArray[Any]:
    shape = [1 if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
    return np.zeros(shape, port.get_element_type().to_dtype())


def read_info(path: Path) -> ExportInfo:
    """Return the metadata of an exported file; nothing is compiled for it.

    Raises `DataError` where it has none of kinema's, or cannot be read.
    """
    try:
        stored = _READERS[path.suffix](path)
        return ExportInfo.from_strings(stored)
    except (DataError, UsageError):
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; make it with kinema export") from error
    except Exception as error:
        raise DataError(
            f"{path}: damaged, or not exported by this version of kinema ({first_line(error)}); export again"
        ) from error


def onnx_session(path: Path, threads: int) -> Any:
    """Return a session of ONNX Runtime on the CPU with `threads` inside each layer."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised as well
    # Threads that spin while they wait take the cores from the decoders and from the temporal head.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def openvino_module() -> Any:
    """Return the module; `UsageError` where it is not installed."""
    try:
        import openvino as module
    except ImportError as error:
        raise UsageError("OpenVINO needs the export extra; pip install 'kinema[export]'") from error
    return module


@functools.cache
def _openvino_core() -> Any:
    """One for the whole process, and never given back.

    On AVX-512 processors its CPU plugin gives the thread that first compiles a stack of its own for signals, and puts
    the one before back when it goes. Two that go in the order they came leave the thread with a stack that is gone,
    and the next signal (Ctrl-C) ends the process with a segmentation fault.
    """
    return openvino_module().Core()


def write_openvino_info(model: Any, info: ExportInfo) -> None:
    """Put the metadata into an OpenVINO model."""
    for key, text in info.to_strings().items():
        model.set_rt_info(text, [_OPENVINO_KEY, key])


def _onnx_info(path: Path) -> dict[str, str]:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def _openvino_info(path: Path) -> dict[str, str]:
    model = _openvino_core().read_model(str(path))
    return {
        name: str(getattr(value, "value", value))
        for name, value in model.get_rt_info([_OPENVINO_KEY]).value.items()
    }


def _torchscript_info(path: Path) -> dict[str, str]:
    from zipfile import ZipFile

    with ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(f"extra/{TORCHSCRIPT_KEY}"))
        found: dict[str, str] = json.loads(archive.read(name))
    return found


_READERS = {
    FORMATS["onnx"]: _onnx_info,
    FORMATS["openvino"]: _openvino_info,
    FORMATS["torchscript"]: _torchscript_info,
}

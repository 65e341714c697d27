"""From a runtime's name to what follows videos with it: a recognizer's exported files, or a graph made on the fly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from kinema.data.clipspec import ClipSpec
from kinema.data.segments import usable_cores
from kinema.errors import DataError, KinemaError, UsageError
from kinema.files import cache_folder
from kinema.models.backbones import FrameBackbone
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.devices import torch_device
from kinema.models.embedder import Embedder, OnnxEmbedder, TorchEmbedder, open_embedder
from kinema.models.follow import ClipFollower, FeatureFollower, Follower
from kinema.models.runtimes.choice import choose_runtime
from kinema.models.runtimes.followers import ClipGraphFollower, HeadFollower, StepFollower
from kinema.models.runtimes.graphs import open_graph, openvino_module, read_info
from kinema.models.runtimes.names import Part, export_command, export_folder, format_of, parts_in
from kinema.models.runtimes.parts import keeps_window, parts_of, write_part


class Followed(Protocol):
    """What is needed of a recognizer."""

    name: str
    model: VideoModel
    spec: ClipSpec
    temperature: float
    device: str
    folder: Path | None

    def fingerprint(self) -> str: ...


def open_follower(recognizer: Followed, runtime: str, threads: int | None = None) -> Follower | None:
    """Return what follows videos with `recognizer` in `runtime`; None where that is what it does by itself.

    `auto` takes what was exported for the fastest runtime measured here, and leaves stale files alone with a warning;
    a runtime that was asked for by name is refused where its files belong to other weights (`DataError`), or where it
    needs files that are not there (`UsageError`).
    """
    if runtime == "auto":
        return _automatic(recognizer, threads)
    if runtime == "torch":
        return _in_torch(recognizer)
    if format_of(runtime) == "openvino":
        openvino_module()  # says at once that it is not installed
    found = exported_follower(recognizer, runtime, threads)
    if found is not None:
        return found
    if runtime not in ("onnx", "openvino"):
        where = "" if recognizer.folder is None else f"{recognizer.folder}: "
        raise UsageError(
            f"{where}nothing exported for runtime '{runtime}'; make it with {export_command(recognizer.folder, runtime)}"
        )
    return _on_the_fly(recognizer, runtime, threads)


def exported_follower(recognizer: Followed, runtime: str, threads: int | None = None) -> Follower | None:
    """Return what follows with a recognizer's exported files, None where there are none.

    Raises `DataError` where they belong to other weights.
    """
    if recognizer.folder is None:
        return None
    folder = export_folder(recognizer.folder, runtime)
    parts = parts_in(folder, format_of(runtime))
    if not parts:
        return None
    return follower_of(parts, recognizer.model, threads, recognizer.fingerprint(), runtime)


def follower_of(
    parts: dict[Part, Path], model: VideoModel, threads: int | None, fingerprint: str, runtime: str
) -> Follower | None:
    """Return a follower over exported files of `model`, None where those that a stream needs are not among them."""
    count = threads or usable_cores()
    infos = {part: read_info(path) for part, path in parts.items()}
    for part, info in infos.items():
        if info.fingerprint != fingerprint:
            folder = parts[part].parent
            raise DataError(
                f"{parts[part]}: exported from other weights or settings than the recognizer has now; export again with "
                f"{export_command(folder.parent, runtime)}, or delete {folder}"
            )
    if isinstance(model, FactorisedModel):
        if "backbone" not in parts or "head" not in parts:
            return None
        # A head is too small for threads, and the backbone has the cores meanwhile.
        return HeadFollower(
            open_embedder(parts["backbone"], threads), open_graph(parts["head"], 1), model.frames
        )
    if "step" in parts:
        return StepFollower(open_graph(parts["step"], count), infos["step"].states)
    if "whole" in parts and isinstance(model, ClipModel) and keeps_window(model):
        return ClipGraphFollower(open_graph(parts["whole"], count), model.frames, model.stride)
    return None


def _automatic(recognizer: Followed, threads: int | None) -> Follower | None:
    model = recognizer.model
    if recognizer.device == "torch" or torch_device(recognizer.device).type != "cpu":
        return None
    runtime = "onnx"
    if isinstance(model, FactorisedModel):
        if type(model.backbone) is not FrameBackbone:
            return None  # networks of the seed systems: nothing is gained by measuring them
        runtime = choose_runtime(model.backbone, recognizer.spec).runtime
    if runtime == "torch":
        return _in_torch(recognizer)
    try:
        found = exported_follower(recognizer, runtime, threads)
    except KinemaError as error:
        warnings.warn(f"{error} (left alone: computed without it)", stacklevel=3)
        found = None
    if found is None and runtime == "openvino":
        return _on_the_fly(recognizer, runtime, threads)
    return found


def _in_torch(recognizer: Followed) -> Follower:
    model, spec = recognizer.model, recognizer.spec
    if isinstance(model, FactorisedModel):
        return FeatureFollower(model, TorchEmbedder(model.backbone, spec, "cpu"))
    assert isinstance(model, ClipModel)
    return ClipFollower(model, spec, "torch")


def _on_the_fly(recognizer: Followed, runtime: str, threads: int | None) -> Follower | None:
    model, spec = recognizer.model, recognizer.spec
    if isinstance(model, FactorisedModel):
        plain = OnnxEmbedder(model.backbone, spec, threads)
        if not plain.agrees:
            raise DataError(
                f"model '{recognizer.name}': its backbone in ONNX differs from torch's; take another runtime"
            )
        embedder: Embedder = plain
        if runtime == "openvino":
            embedder = open_embedder(plain.path, threads, openvino=True)
        return FeatureFollower(model, embedder)
    parts = parts_of(model, spec, recognizer.temperature)
    wanted: Part = "step" if "step" in parts else "whole"
    if wanted == "whole" and not keeps_window(model):
        raise UsageError(
            f"model '{recognizer.name}' follows a stream with a state of its own, which kinema cannot export: take runtime torch"
        )
    folder = cache_folder() / "onnx"
    path = folder / f"{recognizer.fingerprint()}-{wanted}.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(str(path) + ".lock"):
        if not path.exists():
            candidate = path.with_suffix(".unchecked.onnx")
            write_part(parts[wanted], candidate)
            candidate.replace(path)
    graph = open_graph(path, threads or usable_cores(), openvino=runtime == "openvino")
    if wanted == "step":
        return StepFollower(graph, list(parts["step"].states))
    assert isinstance(model, ClipModel)
    return ClipGraphFollower(graph, model.frames, model.stride)

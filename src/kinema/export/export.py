"""`kinema export`: a recognizer as files for other runtimes, written only after their numbers were compared."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema import __version__
from kinema.errors import KinemaError, UsageError, closest
from kinema.export.accuracy import Accuracy
from kinema.export.int8 import quantised_parts
from kinema.export.parity import STREAM, Parity, check_parity
from kinema.export.samples import manifest_of, segments_of, spread, stream_of, synthetic_stream
from kinema.export.writers import WRITERS
from kinema.models import ClipModel, FactorisedModel, Recognizer
from kinema.models.runtimes.info import ExportInfo
from kinema.models.runtimes.names import FORMATS, Part, export_folder, file_of, parts_in
from kinema.models.runtimes.parts import GraphPart, keeps_window, parts_of

_PROVENANCE = ("data_fingerprint", "date", "torch", "seed", "protocol")
_VIDEOS = 8  # training videos whose pictures are compared

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """What `export_recognizer` wrote: `files` by part, the largest differences from PyTorch, and int8's accuracy.

    `real` says whether the numbers were compared on pictures of the training videos; `note` what cannot be exported.
    """

    runtime: str
    folder: Path
    files: dict[Part, Path]
    parity: Parity
    real: bool
    accuracy: Accuracy | None = None
    note: str = ""


def export_recognizer(
    recognizer: Recognizer,
    to: str,
    *,
    int8: bool = False,
    whole: bool = True,
    streaming: bool = True,
    out: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    progress: Progress = lambda what: None,
) -> Exported:
    """Write a recognizer for another runtime into `out`, by default the folder named by the runtime in its own folder.

    `to` is onnx, openvino or torchscript. `whole` is one graph from a clip's pictures to probabilities; `streaming` what
    follows a stream at one backbone pass a picture: `backbone` and `head`, or `step` for a network with states of its own.
    `int8` quantises with the training clips, and `data` names their manifest where the run's is not at hand.

    Nothing is written where outputs differ from PyTorch by more than 1e-4, or where int8 loses more than one point of
    top-1 on the valid split (`KinemaError` with the figures).

    Raises `UsageError` for an unknown format, for a network that cannot be written in it, and where an extra is missing.
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to}: {closest(to, list(FORMATS))}")
    if not whole and not streaming:
        raise UsageError("give --whole, --streaming, or neither for both")
    if int8 and to == "torchscript":
        raise UsageError("--int8: TorchScript has no quantised graphs here; take --to onnx or --to openvino")
    runtime = f"{to}-int8" if int8 else to
    target = _target(recognizer, runtime, out)
    recognizer.model.eval()
    parts = _wanted(recognizer, whole, streaming)
    manifest = manifest_of(recognizer, data)
    progress("reading pictures to compare")
    pictures, real = _pictures(recognizer, manifest)
    with _scratch(target) as scratch:
        files: dict[Part, Path] = {}
        for name, part in parts.items():
            progress(f"writing the {name} graph")
            files[name] = WRITERS["onnx" if int8 else to](part, info_of(recognizer, part), scratch)
        progress("comparing with PyTorch")
        parity = check_parity(recognizer, parts, files, pictures)
        accuracy = None
        if int8:
            files, accuracy = quantised_parts(recognizer, parts, files, manifest, to, scratch, progress)
        _publish(files, target, to)
        written = {name: file_of(target, name, to) for name in files}
    return Exported(runtime, target, written, parity, real, accuracy, _note(recognizer, streaming))


def info_of(
    recognizer: Recognizer, part: GraphPart, precision: str = "float32", note: str = ""
) -> ExportInfo:
    """Return the metadata of one graph of a recognizer."""
    model = recognizer.model
    return ExportInfo(
        part=part.part,
        classes=recognizer.classes,
        clip=recognizer.spec.to_dict(),
        temperature=recognizer.temperature,
        model=recognizer.name,
        settings=dict(recognizer.settings),
        kinema=__version__,
        fingerprint=recognizer.fingerprint(),
        precision=precision,
        note=note,
        stride=model.stride if isinstance(model, ClipModel) and keeps_window(model) else 1,
        window=keeps_window(model),
        states=list(part.states),
        provenance={key: recognizer.provenance[key] for key in _PROVENANCE if key in recognizer.provenance},
    )


def _wanted(recognizer: Recognizer, whole: bool, streaming: bool) -> dict[Part, GraphPart]:
    model = recognizer.model
    parts = parts_of(model, recognizer.spec, recognizer.temperature)
    # The window of a model of whole clips is what follows a stream with it.
    keeps = keeps_window(model)
    if streaming and not whole and len(parts) == 1 and not keeps:
        raise UsageError(
            f"model '{recognizer.name}' has a state of its own that kinema cannot export: it exports as whole clips only; "
            "take --whole"
        )
    if not whole and not keeps:
        del parts["whole"]
    return {name: part for name, part in parts.items() if name == "whole" or streaming}


def _note(recognizer: Recognizer, streaming: bool) -> str:
    model = recognizer.model
    if isinstance(model, FactorisedModel) or not streaming:
        return ""
    if keeps_window(model):
        return "a stream is followed with the graph of whole clips, as this model has no features of single pictures"
    if "step" not in parts_of(model, recognizer.spec, recognizer.temperature):
        return "this model exports as whole clips only: kinema cannot write its state as a graph"
    return ""


def _pictures(recognizer: Recognizer, manifest: object) -> tuple[NDArray[np.uint8], bool]:
    from kinema.data import Manifest

    count = max(STREAM, 3 * recognizer.spec.frames)
    if isinstance(manifest, Manifest):
        segments = segments_of(manifest, "train") or [s for s in manifest.segments() if s.label is not None]
        found = stream_of(spread(segments, _VIDEOS), recognizer.spec, count)
        if found is not None:
            return found, True
    return synthetic_stream(recognizer.spec, count), False


def _target(recognizer: Recognizer, runtime: str, out: str | os.PathLike[str] | None) -> Path:
    if out is not None:
        return Path(out)
    if recognizer.folder is None:
        raise UsageError("this recognizer was never saved: save it first, or give a folder with out=")
    return export_folder(recognizer.folder, runtime)


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target`, which is gone at the end, whatever happens."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise KinemaError(
            f"{target}: cannot be written: {error.strerror or error}; give another folder with --out"
        ) from error
    try:
        yield scratch
    except OSError as error:
        raise KinemaError(
            f"{target}: cannot be written: {error.strerror or error}; free some space, or give another folder with --out"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(files: dict[Part, Path], target: Path, to: str) -> None:
    """Move finished files into place; files of other weights that are left in the folder go, so that none is mixed up."""
    from kinema.models.runtimes.graphs import read_info

    fingerprint = read_info(next(iter(files.values()))).fingerprint
    target.mkdir(parents=True, exist_ok=True)
    for part, path in parts_in(target, to).items():
        if part not in files and not _is_of(path, fingerprint):
            _remove(path)
    for path in files.values():
        place = target / path.name
        if to == "openvino":  # what opens the pair looks for the description, which goes last
            place.unlink(missing_ok=True)
            path.with_suffix(".bin").replace(place.with_suffix(".bin"))
        path.replace(place)


def _is_of(path: Path, fingerprint: str) -> bool:
    from kinema.models.runtimes.graphs import read_info

    try:
        return read_info(path).fingerprint == fingerprint
    except KinemaError:
        return False


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.suffix == FORMATS["openvino"]:
        path.with_suffix(".bin").unlink(missing_ok=True)

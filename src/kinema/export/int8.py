"""Static int8: weights per channel and activations from the training clips, judged by the valid split.

Convolutions, and the linear layers of a network that has more of those, are quantised in ONNX's QDQ form; what comes
before the first one (the normalisation of pixels) and the temporal head stay in float32. Where one way of calibrating
loses too much, the next is tried: the ranges of activations by their extremes, by a percentile, by entropy, and by
extremes with the first, the last and all depthwise layers left in float.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest, Segment
from kinema.errors import KinemaError, UsageError, first_line
from kinema.export.accuracy import MOST_LOST, Accuracy, compare
from kinema.export.samples import clips_of, segments_of, spread
from kinema.export.whole import join_whole
from kinema.export.writers import add_onnx_info, convert_to_openvino
from kinema.models import Recognizer
from kinema.models.runtimes.followers import first_states
from kinema.models.runtimes.graphs import onnx_session, read_info
from kinema.models.runtimes.info import ExportInfo
from kinema.models.runtimes.names import Part, file_of
from kinema.models.runtimes.opening import follower_of
from kinema.models.runtimes.parts import GraphPart

# Pictures of training clips that the ranges of activations are taken from, and clips for a network of whole clips.
_PICTURES = 96
_CLIPS = 16
_AT_A_TIME = 8  # whose activations are in memory together
_VALID = 400  # videos that int8 is judged by


@dataclass(frozen=True)
class Recipe:
    """One way of quantising: how ranges are found, of how much of the calibration set, and whether delicate layers stay."""

    words: str
    method: str
    share: float = 1.0
    mixed: bool = False


RECIPES = (
    Recipe("ranges by extremes", "MinMax"),
    Recipe("ranges by the 99.99th percentile", "Percentile", 0.5),
    Recipe("ranges by entropy", "Entropy", 0.5),
    Recipe("ranges by extremes, first, last and depthwise layers in float", "MinMax", 1.0, True),
)


def quantised_parts(
    recognizer: Recognizer,
    parts: Mapping[Part, GraphPart],
    files: Mapping[Part, Path],
    manifest: Manifest | None,
    to: str,
    scratch: Path,
    progress: Callable[[str], None],
) -> tuple[dict[Part, Path], Accuracy]:
    """Return the int8 files of format `to` made of float32 ONNX `files`, and what they lose on the valid split.

    Raises `UsageError` where training or valid clips are not at hand, and `KinemaError` with the figures of every recipe
    where all of them lose more than `MOST_LOST` points of top-1.
    """
    train, valid = _splits(manifest)
    info = read_info(next(iter(files.values())))
    exact = follower_of(dict(files), recognizer.model, None, info.fingerprint, "onnx")
    if exact is None:
        raise UsageError(
            "int8 is judged by following the videos of the valid split: leave out --whole and --streaming"
        )
    progress("reading training clips")
    clips = np.stack(list(clips_of(spread(train, 4 * _CLIPS), recognizer.spec))[: 4 * _CLIPS])
    tried = []
    for number, recipe in enumerate(RECIPES):
        progress(f"int8: {recipe.words}")
        folder = scratch / f"recipe{number}"
        folder.mkdir()
        try:
            made = _quantise_all(recognizer, parts, files, clips, recipe, to, folder)
        except KinemaError:
            raise
        except OSError:
            raise
        except Exception as error:  # the quantiser raises a dozen kinds
            tried.append(f"{recipe.words}: not possible ({first_line(error)})")
            continue
        rough = follower_of(made, recognizer.model, None, info.fingerprint, f"{to}-int8")
        assert rough is not None
        accuracy = compare(
            recognizer,
            exact,
            rough,
            valid,
            lambda done, total: progress(f"int8 on valid: {done} of {total} videos"),
        )
        if accuracy.lost <= MOST_LOST:
            return made, accuracy
        tried.append(f"{recipe.words}: {accuracy}")
    raise KinemaError(
        f"int8 loses more than {MOST_LOST:g} point of top-1 on valid, and nothing was written; tried {'; '.join(tried)}; "
        "take the float32 export"
    )


def quantise(source: Path, out: Path, feeds: Sequence[Mapping[str, NDArray[Any]]], recipe: Recipe) -> None:
    """Write `source`, an ONNX file, in int8 with ranges from `feeds`."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = out.with_suffix(".prepared.onnx")
    with _quiet():
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(str(prepared)).graph
        types, floats = _layers(graph, recipe.mixed)
        used = list(feeds)[: max(1, int(len(feeds) * recipe.share))]
        used = used[: max(1, len(used) // _AT_A_TIME) * _AT_A_TIME] if len(used) >= _AT_A_TIME else used
        stride = _AT_A_TIME if len(used) >= _AT_A_TIME else 1
        quantize_static(
            str(prepared),
            str(out),
            _Reader(used),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=types,
            nodes_to_exclude=floats,
            calibrate_method=CalibrationMethod[recipe.method],
            extra_options={
                "CalibStridedMinMax": stride,
                "CalibPercentile": 99.99,
                "MatMulConstBOnly": True,
            },
        )
    prepared.unlink()


def _splits(manifest: Manifest | None) -> tuple[list[Segment], list[Segment]]:
    if manifest is None:
        raise UsageError(
            "int8 is calibrated with the training clips, which are not at hand: give their manifest with --data"
        )
    found = {split: segments_of(manifest, split) for split in ("train", "valid")}
    for split, segments in found.items():
        if not segments:
            raise UsageError(
                f"int8 needs clips of the {split} split, and the manifest has none: give one that has with --data"
            )
    return found["train"], spread(found["valid"], _VALID)


def _quantise_all(
    recognizer: Recognizer,
    parts: Mapping[Part, GraphPart],
    files: Mapping[Part, Path],
    clips: NDArray[np.uint8],
    recipe: Recipe,
    to: str,
    folder: Path,
) -> dict[Part, Path]:
    made: dict[Part, Path] = {}
    for name, path in files.items():
        out = file_of(folder, name, "onnx")
        note = f"int8, {recipe.words}"
        if name == "head":  # small, and what it looks at are differences: float32
            out.write_bytes(path.read_bytes())
        elif name == "whole" and "backbone" in files:
            continue  # below, of the quantised backbone
        else:
            quantise(path, out, list(_feeds(name, path, clips, parts[name])), recipe)
        info = read_info(path)
        add_onnx_info(out, ExportInfo(**{**vars(info), "precision": "int8", "note": note}))
        made[name] = out
    if "whole" in files and "backbone" in made:
        info = read_info(files["whole"])
        out = file_of(folder, "whole", "onnx")
        join_whole(recognizer, made["backbone"], out)
        add_onnx_info(out, ExportInfo(**{**vars(info), "precision": "int8", "note": f"int8, {recipe.words}"}))
        made["whole"] = out
    if to == "openvino":
        return {
            name: convert_to_openvino(path, parts[name], read_info(path), folder)
            for name, path in made.items()
        }
    return made


def _feeds(
    name: Part, path: Path, clips: NDArray[np.uint8], part: GraphPart
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield what a graph is calibrated with: pictures, clips, or pictures with the states that they find."""
    if name == "whole":
        yield from ({"pictures": clip[None]} for clip in clips[:_CLIPS])
        return
    if name == "backbone":
        pictures = clips.reshape(-1, *clips.shape[2:])
        rows = np.linspace(0, len(pictures) - 1, min(_PICTURES, len(pictures))).astype(int)
        yield from ({"pictures": picture[None]} for picture in pictures[rows])
        return
    session = onnx_session(path, 1)
    names = [output.name for output in session.get_outputs()]
    each = max(1, _PICTURES // max(1, min(_CLIPS, len(clips))))
    for clip in clips[:_CLIPS]:
        states = first_states(list(part.states), 1)
        for picture in clip[:each]:
            feeds = {"pictures": picture[None], **states}
            yield feeds
            found = dict(zip(names, session.run(None, feeds), strict=True))
            states = {state.name: found[f"next_{state.name}"] for state in part.states}


def _layers(graph: Any, mixed: bool) -> tuple[list[str], list[str]]:
    """Return the operators to quantise, and the nodes that stay in float."""
    constant = {initializer.name for initializer in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    linear = [node for node in graph.node if node.op_type in ("MatMul", "Gemm") and node.input[1] in constant]
    # Fused by ONNX Runtime where their neighbours are quantised; others would only be converted back and forth.
    types = ["Conv", "Clip", "Relu", "Add", "Pad", "MaxPool"]
    if len(linear) > len(convolutions):
        types += ["MatMul", "Gemm"]
    heavy = convolutions + (linear if len(linear) > len(convolutions) else [])
    names = {node.name for node in heavy}
    floats = []
    for node in graph.node:
        if node.name in names:
            break
        floats.append(node.name)
    if mixed and heavy:
        floats += [heavy[0].name, heavy[-1].name, *(node.name for node in convolutions if _groups(node) > 1)]
    return types, floats


def _groups(node: Any) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


class _Reader:
    """Hands the quantiser its feeds, some at a time."""

    def __init__(self, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> None:
        self._feeds = feeds
        self._left = iter(feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> Mapping[str, NDArray[Any]]:
        return next(self._left)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self._feeds[start_index:end_index])

    def get_next(self) -> Mapping[str, NDArray[Any]] | None:
        return next(self._left, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's advice and its progress from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(before)

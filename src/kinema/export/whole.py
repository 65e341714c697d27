"""The whole path of a factorised model around a backbone that is a file already: its clips' pictures, backbone, head."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from kinema.errors import KinemaError
from kinema.files import atomic_path
from kinema.models import Recognizer
from kinema.models.runtimes.modules import WindowPath
from kinema.models.runtimes.tracing import write_onnx


def join_whole(recognizer: Recognizer, backbone: Path, out: Path) -> None:
    """Write the graph `pictures (B, T, H, W, 3)` to `probabilities` and `logits` around an ONNX backbone."""
    import onnx
    from onnx import TensorProto, compose, helper

    model, spec = recognizer.factorised, recognizer.spec
    picture = [spec.height, spec.width, 3]
    middle = onnx.load(str(backbone))
    flat = helper.make_graph(
        [helper.make_node("Reshape", ["pictures", "flat_shape"], ["flat"])],
        "clips",
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["batch", spec.frames, *picture])],
        [helper.make_tensor_value_info("flat", TensorProto.UINT8, ["pictures_flat", *picture])],
        [helper.make_tensor("flat_shape", TensorProto.INT64, [4], [-1, *picture])],
    )
    before = helper.make_model(flat, opset_imports=middle.opset_import, ir_version=middle.ir_version)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        path = Path(folder) / "window.onnx"
        example = torch.rand(2 * model.frames, model.backbone.dim)
        write_onnx(
            WindowPath(model, recognizer.temperature), [example], ["features"], WindowPath.outputs, path
        )
        after = onnx.load(str(path))
    for part in (before, middle, after):
        part.ir_version = max(before.ir_version, middle.ir_version, after.ir_version)
        del part.metadata_props[:]
    try:
        middle = compose.add_prefix(middle, "backbone_")
        after = compose.add_prefix(after, "head_")
        joined = compose.merge_models(before, middle, [("flat", "backbone_pictures")])
        joined = compose.merge_models(joined, after, [("backbone_features", "head_features")])
    except ValueError as error:
        raise KinemaError(
            f"the graphs of backbone and head cannot be joined ({error}); take --streaming"
        ) from error
    for output in joined.graph.output:
        _rename(joined, output.name, output.name.removeprefix("head_"))
    with atomic_path(out) as temporary:
        onnx.save(joined, str(temporary))


def _rename(model: object, old: str, new: str) -> None:
    graph = model.graph  # type: ignore[attr-defined]
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    for output in graph.output:
        if output.name == old:
            output.name = new

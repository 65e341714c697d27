"""Makes torchvision importable where its compiled operators cannot be loaded.

A torchvision wheel built for another torch (a CUDA build beside a CPU torch, say) stops at import with "operator
torchvision::nms does not exist", and with it timm, torchmetrics and lightning. kinema uses none of these operators, so
declaring their schemas is enough. Import this module before any of the four.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[Any] = []  # a torch.library.Library takes its declarations back when it is collected


def declare_missing_operators() -> bool:
    """Declare torchvision's operator schemas if its compiled library cannot be loaded; return whether it did."""
    if _declared or "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return bool(_declared)
    if _compiled_operators_load():
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS.values():
        library.define(schema)
    _declared.append(library)
    return True


def _compiled_operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False
    from pathlib import Path

    folder = Path(spec.submodule_search_locations[0])
    for library in [*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")]:
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
        return hasattr(torch.ops.torchvision, "nms")
    return False


declare_missing_operators()

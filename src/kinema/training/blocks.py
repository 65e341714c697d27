"""A model's parts in the order in which a clip passes them: the blocks of its body, and its head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from kinema.models import FactorisedModel, VideoModel


@dataclass
class Block:
    """A part of a model: its name, its modules, and its parameters by their names in the model."""

    name: str
    modules: list[nn.Module]
    parameters: dict[str, nn.Parameter]

    def join(self, other: Block) -> None:
        """Take the modules and parameters of the block behind this one."""
        self.modules += other.modules
        self.parameters.update(other.parameters)


def body_and_head(model: VideoModel) -> tuple[list[Block], Block]:
    """Return the blocks of the body, from the pixels up, and the head.

    The head of a factorised model is its temporal head; that of any other one begins with its last layer that has an output a
    class. A model's `backbone`, where it has one, is its body. Blocks are the members of `Sequential` and `ModuleList`; any other
    module is one block unless more than half of the body is in it. A norm, or what
    has no parameters, belongs to the block before it.
    """
    backbone = getattr(model, "backbone", None)
    if isinstance(backbone, nn.Module):
        body = _blocks(backbone, "backbone")
        rest = {n: p for n, p in model.named_parameters() if not n.startswith("backbone.")}
        modules = [module for name, module in model.named_children() if name != "backbone"]
        if rest or isinstance(model, FactorisedModel):
            return body, Block("head", modules, rest)
    else:
        body = _blocks(model, "")
    first = len(body) - 1
    while first > 0 and not _has_output_a_class(body[first], model.num_classes):
        first -= 1
    if body and not _has_output_a_class(body[first], model.num_classes):
        first = len(body) - 1
    head = Block("head", [], {})
    for block in body[max(0, first) :]:
        head.join(block)
    return body[: max(0, first)], head


def _blocks(root: nn.Module, prefix: str) -> list[Block]:
    total = sum(p.numel() for p in root.parameters())
    found: list[Block] = []
    for block in _divided(root, prefix, total):
        if all(p.ndim < 2 for p in block.parameters.values()):
            if found:
                found[-1].join(block)
                continue
            if not block.parameters:
                continue
        found.append(block)
    return found


def _divided(module: nn.Module, prefix: str, total: int) -> Iterator[Block]:
    dot = f"{prefix}." if prefix else ""
    own = {f"{dot}{name}": p for name, p in module.named_parameters(recurse=False)}
    children = list(module.named_children())
    size = sum(p.numel() for p in module.parameters())
    listed = isinstance(module, (nn.Sequential, nn.ModuleList))
    if not children or not (listed or size * 2 > total):
        yield Block(prefix, [module], {f"{dot}{name}": p for name, p in module.named_parameters()})
        return
    if own:  # embeddings of place and class, which are added to the first features
        yield Block(prefix, [], own)
    for name, child in children:
        yield from _divided(child, f"{dot}{name}", total)


def _has_output_a_class(block: Block, classes: int) -> bool:
    inner = (part for module in block.modules for part in module.modules())
    return any(classes in (getattr(m, "out_features", None), getattr(m, "out_channels", None)) for m in inner)

"""What the layers of a causal network keep of a stream from one call to the next."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class LayerStates:
    """Hands each layer what it kept in the call before, and collects what it keeps now.

    Layers are told apart by the order in which they ask, which is the same in every call of one network.

    - `before`: what they kept, None at the start of a stream.
    - `keeping`: whether anything is to be kept; a clip that nothing follows needs no copies.
    """

    def __init__(self, before: Sequence[Tensor] | None = None, *, keeping: bool = False) -> None:
        self.kept: list[Tensor] = []
        self.keeping = keeping
        self._before = None if before is None else iter(before)

    def take(self) -> Tensor | None:
        """Return what the layer that asks kept in the call before, None at the start of a stream."""
        return None if self._before is None else next(self._before)

    def keep(self, tensor: Tensor) -> None:
        """Keep a copy for the next call: a view would hold the whole call's activations in memory."""
        if self.keeping:
            self.kept.append(tensor.detach().clone())

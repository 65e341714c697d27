"""Published weights of causal MoViNets, by name.

The PyTorch state dicts of github.com/Atze00/MoViNet-pytorch (`modelA0_stream_statedict_v3` and so on) hold the Kinetics-600
weights that the authors published. Their names are kinema's, but for the `backbone.` that kinema puts before everything
but their `classifier.`, which is its `head.`.
"""

from __future__ import annotations

from torch import nn

from kinema.errors import DataError
from kinema.models.published import fit_published, read_published

# The last layer; `head.0` before it is the same for every list of classes.
_LAST = "head.3."


def load_movinet(model: nn.Module, weights: str, network: str) -> None:
    """Fill `model` from a published stream checkpoint or from one with kinema's own names.

    Raises `UsageError` where there is no such file, and `DataError` for another network's tensors, those of the base
    (not causal) MoViNets among them.
    """
    stored = read_published(weights)
    if any(".conv3d." in name for name in stored):
        raise DataError(
            f"{weights}: the weights of a base MoViNet, whose 3D convolutions look ahead; give the stream checkpoint of "
            f"{network}, such as model{network[-2:]}_stream_statedict_v3"
        )
    own = {
        "head." + name.removeprefix("classifier.")
        if name.startswith("classifier.")
        else name
        if name.startswith(("backbone.", "head."))
        else f"backbone.{name}": value
        for name, value in stored.items()
    }
    fit_published(model, own, weights, network, _LAST)

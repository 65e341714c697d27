"""Published checkpoints: read without running anything that they bring, and fitted to a network by name."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from kinema.errors import DataError, UsageError

# What checkpoints call the dictionary of tensors inside them.
_WRAPPERS = ("model_state", "state_dict", "model")
_COUNTER = "num_batches_tracked"  # not of use, and absent from old checkpoints


def read_published(weights: str) -> dict[str, Tensor]:
    """Return the tensors by name of a `.safetensors` file or of one that `torch.save` wrote.

    Dictionaries around them are opened, and the `module.` that DataParallel puts before every name is taken off.

    Raises `UsageError` where there is no such file, `DataError` for anything that is more than tensors: such a pickle
    could run code.
    """
    path = Path(weights)
    if not path.is_file():
        raise UsageError(f"weights={weights}: no such file; give none, or the path of a published checkpoint")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            stored = load_file(path)
        else:
            stored = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: a pickle that holds more than tensors, or no checkpoint at all; it is not opened, since it could run "
            "code: save the state dict alone with torch.save(model.state_dict(), PATH)"
        ) from error
    except Exception as error:
        raise DataError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}); download it again"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(stored, Mapping) and isinstance(stored.get(wrapper), Mapping):
            stored = stored[wrapper]
    tensors = {
        str(name).removeprefix("module."): value
        for name, value in (stored.items() if isinstance(stored, Mapping) else ())
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise DataError(f"{path}: holds no tensors by name; give a checkpoint with a state dict")
    return tensors


def fit_published(
    model: nn.Module,
    stored: Mapping[str, Tensor],
    weights: str,
    network: str,
    classifier: str = "classifier.",
) -> None:
    """Copy `stored` into `model`, every name and shape of which must agree.

    Only the last layer, whose names begin with `classifier`, keeps its start values when it has another number of
    classes: that is what fine-tuning begins with.

    Raises `DataError` that says what differs from `network`.
    """
    own = {name: value for name, value in model.state_dict().items() if not name.endswith(_COUNTER)}
    last = [name for name in own if name.startswith(classifier)]
    if any(name in stored and stored[name].shape != own[name].shape for name in last):
        own = {name: value for name, value in own.items() if name not in last}
        stored = {name: value for name, value in stored.items() if name not in last}
    found = differences(own, stored)
    if found:
        raise DataError(f"{weights}: not the weights of {network}: {found}; give its own checkpoint")
    model.load_state_dict({name: stored[name] for name in own}, strict=False)


def differences(own: Mapping[str, Tensor], stored: Mapping[str, Tensor], *, more: bool = False) -> str:
    """Say in one line how the tensors of a file differ from those of a network; "" where they fit.

    `more` allows tensors that the network has not, such as a classifier that it does without.
    """
    missing = [f"'{name}'" for name in own if name not in stored]
    unknown = [f"'{name}'" for name in stored if name not in own and not name.endswith(_COUNTER)]
    other = [
        f"'{name}', {_shape(stored[name])} there and {_shape(tensor)} here"
        for name, tensor in own.items()
        if name in stored and stored[name].shape != tensor.shape
    ]
    kinds = ((missing, "missing"), ([] if more else unknown, "unknown"), (other, "of another shape"))
    found = [f"{len(names)} {what}, first {names[0]}" for names, what in kinds if names]
    return f"of {len(own)} tensors {'; '.join(found)}" if found else ""


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"

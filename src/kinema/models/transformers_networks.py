"""Video transformers of the transformers library without their classifiers, at any size, and their published weights.

Every network is built from its configuration, with no network connection. Published weights come from the model hub, or from a
folder with `config.json` and safetensors; a pickle is refused. transformers is an extra, imported when a network is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import kinema.torch_setup  # noqa: F401  (before transformers, which imports torchvision)
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError, first_line
from kinema.models.model_hub import model_hub
from kinema.models.torchvision_networks import resize_grid, resize_line

PATCH = 16  # pixels a side of a token, in all of them
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


@dataclass(frozen=True)
class Family:
    """What transformers calls a kind of network, and the checkpoint that `official` stands for."""

    kind: str
    config: str
    classifier: str
    official: str


VIDEOMAE_BASE = Family(
    "videomae", "VideoMAEConfig", "VideoMAEForVideoClassification", "MCG-NJU/videomae-base-finetuned-kinetics"
)
VIDEOMAE_SMALL = Family(
    "videomae",
    "VideoMAEConfig",
    "VideoMAEForVideoClassification",
    "MCG-NJU/videomae-small-finetuned-kinetics",
)
TIMESFORMER_BASE = Family(
    "timesformer",
    "TimesformerConfig",
    "TimesformerForVideoClassification",
    "facebook/timesformer-base-finetuned-k400",
)
VJEPA2_VITL = Family(
    "vjepa2", "VJEPA2Config", "VJEPA2ForVideoClassification", "facebook/vjepa2-vitl-fpc64-256"
)


@dataclass(frozen=True)
class Size:
    """Width of a token, blocks, and attention heads of a block."""

    dim: int
    depth: int
    heads: int

    def config(self, kind: str) -> dict[str, Any]:
        """Return the settings of the configuration that they decide; what cannot be is a `UsageError`."""
        if min(self.dim, self.depth, self.heads) < 1 or self.dim % self.heads:
            raise UsageError(
                f"settings dim={self.dim}, depth={self.depth}, heads={self.heads}: give whole numbers of at least 1, the "
                "dim a multiple of the heads"
            )
        found = {
            "hidden_size": self.dim,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
        }
        return found if kind == "vjepa2" else {**found, "intermediate_size": 4 * self.dim}


class VideoMAEBackbone(nn.Module):
    """Clips `(B, 3, T, H, W)` to the mean of the tokens `(B, D)`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        tokens: Tensor = self.network(clips.transpose(1, 2)).last_hidden_state
        return tokens.mean(1)


class TimesformerBackbone(nn.Module):
    """Clips `(B, 3, T, H, W)` to the class token `(B, D)`."""

    def __init__(self, network: nn.Module, spec: ClipSpec) -> None:
        super().__init__()
        _resize_positions(network, spec)
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        tokens: Tensor = self.network(clips.transpose(1, 2)).last_hidden_state
        return tokens[:, 0]


class VJEPA2Backbone(nn.Module):
    """Clips `(B, 3, T, H, W)` to all tokens `(B, T/2 · H/16 · W/16, D)`; the predictor of the pre-training is left out."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder = network.encoder

    def forward(self, clips: Tensor) -> Tensor:
        tokens: Tensor = self.encoder(clips.transpose(1, 2)).last_hidden_state
        return tokens


def build(
    name: str, family: Family, size: Size, spec: ClipSpec, weights: str
) -> tuple[Any, dict[str, Tensor]]:
    """Return the network of transformers for clips of `spec`, and the tensors of the published head, by name.

    The head is empty for `weights="none"` and for checkpoints that were published without one.
    """
    transformers = _transformers(name)
    if weights == "none":
        config = getattr(transformers, family.config)(
            **size.config(family.kind), **_clip_settings(family.kind, spec)
        )
        base = getattr(transformers, family.classifier.replace("ForVideoClassification", "Model"))
        network = base(config)
        if (
            family.kind == "timesformer"
        ):  # zeros, as the library leaves them, would make it blind to order at first
            nn.init.trunc_normal_(network.embeddings.time_embeddings, std=config.initializer_range)
        return network, {}
    where, source = _source(name, family, weights)
    reachable = True
    with _quiet(transformers):
        try:
            with model_hub() if weights == "official" else nullcontext(True) as reachable:
                loaded, info = _load(name, family, size, spec, transformers, where, source)
        except DataError:
            raise
        except (
            Exception
        ) as error:  # no network, no such file, a damaged file: every layer below has its own kinds
            raise _cannot_load(name, family, weights, source, error, reachable) from error
    mismatched = (key if isinstance(key, str) else key[0] for key in info["mismatched_keys"])
    absent = {*info["missing_keys"], *mismatched}
    lost = sorted(key for key in absent if key.startswith(f"{family.kind}."))
    if lost:
        raise DataError(
            f"{source}: not the weights of this '{name}': {len(lost)} tensors are missing or of another shape, first "
            f"'{lost[0]}'; choose the model that they were published for"
        )
    loaded = loaded.float()
    head = {key: value for key, value in loaded.state_dict().items() if not key.startswith(f"{family.kind}.")}
    return getattr(loaded, family.kind), {} if absent & set(head) else head


def _load(
    name: str, family: Family, size: Size, spec: ClipSpec, transformers: Any, where: str, source: str
) -> tuple[Any, dict[str, Any]]:
    """Return the library's classifier with the tensors of a checkpoint, and its account of what did not fit."""
    config_class = getattr(transformers, family.config)
    config = config_class.from_pretrained(where)
    stated = {key: getattr(config, key, None) for key in size.config(family.kind)}
    kind = config_class.get_config_dict(where)[0].get("model_type", family.kind)
    _check_config(name, family, size, source, kind, stated)
    # TimeSformer's positions are resized after loading; those of the others have no tensors.
    if family.kind != "timesformer":
        for key, value in _clip_settings(family.kind, spec).items():
            setattr(config, key, value)
    network, info = getattr(transformers, family.classifier).from_pretrained(
        where,
        config=config,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    return network, info


def _clip_settings(kind: str, spec: ClipSpec) -> dict[str, Any]:
    if kind == "vjepa2":
        return {"crop_size": spec.width, "frames_per_clip": spec.frames}
    if kind == "timesformer":
        return {"image_size": spec.width, "num_frames": spec.frames}
    return {"image_size": [spec.height, spec.width], "num_frames": spec.frames}


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            f"model '{name}' needs the transformers extra; pip install 'kinema[transformers]'"
        ) from error
    return transformers


def _source(name: str, family: Family, weights: str) -> tuple[str, str]:
    """Return what transformers loads from, and how messages call it; a folder without safetensors is refused."""
    if weights == "official":
        return family.official, f"the official weights of '{name}' ({family.official})"
    folder = Path(weights)
    wanted = (
        f"none, official, or a folder with config.json and safetensors, such as a copy of {family.official}"
    )
    if folder.is_file():
        if folder.suffix != ".safetensors":
            raise DataError(f"{folder}: a pickle can run code and is refused; give {wanted}")
        folder = folder.parent
    if not folder.is_dir():
        raise UsageError(f"weights={weights}: no such folder; give {wanted}")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        held = (
            f"holds {pickles[0]}, a pickle, which can run code and is refused"
            if pickles
            else "holds no weights"
        )
        raise DataError(f"{folder}: {held}; give {wanted}")
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: holds no config.json; give {wanted}")
    return str(folder), str(folder)


def _check_config(
    name: str, family: Family, size: Size, source: str, kind: str, stated: dict[str, Any]
) -> None:
    if kind != family.kind:
        raise DataError(
            f"{source}: holds a '{kind}', and '{name}' is a '{family.kind}'; choose another folder"
        )
    for key, value in size.config(family.kind).items():
        if stated[key] != value:
            raise DataError(
                f"{source}: its {key} is {stated[key]} and that of this '{name}' is {value}; choose the model of that size, or "
                "set dim, depth and heads"
            )


def _cannot_load(
    name: str, family: Family, weights: str, source: str, error: Exception, reachable: bool
) -> DataError:
    if weights == "official":
        said = first_line(error) if reachable else "the hub does not answer, and they were not fetched before"
        return DataError(
            f"{source} cannot be fetched ({said}): copy config.json and model.safetensors from the hub where "
            "there is a network and give their folder as weights=PATH, or train from nothing with weights=none"
        )
    return DataError(
        f"{source}: cannot be loaded as {family.kind} weights ({first_line(error)}); copy the folder again"
    )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library from reporting on the head that is replaced, and from drawing bars."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _resize_positions(network: Any, spec: ClipSpec) -> None:
    """Fit TimeSformer's learned positions to the clips of `spec`, whose pictures need not be square."""
    embeddings, config = network.embeddings, network.config
    rows, columns = spec.height // PATCH, spec.width // PATCH
    side = config.image_size // PATCH
    if (side, side) != (rows, columns):
        places = embeddings.position_embeddings.detach()[0]
        class_place, grid = places[:1], places[1:]
        resized = resize_grid(grid, (side, side), (rows, columns))
        embeddings.position_embeddings = nn.Parameter(torch.cat([class_place, resized])[None])
    if config.num_frames != spec.frames:
        times = resize_line(embeddings.time_embeddings.detach()[0], spec.frames)
        embeddings.time_embeddings = nn.Parameter(times[None])
    config.image_size, config.num_frames = spec.width, spec.frames

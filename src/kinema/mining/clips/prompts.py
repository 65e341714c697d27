"""Names as text: an open_clip or SigLIP model scores pictures by how well sentences about each name fit them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import kinema.torch_setup  # noqa: F401  (open_clip imports torchvision)
from kinema.data.clipspec import ClipSpec
from kinema.errors import KinemaError, UsageError, closest, first_line
from kinema.mining.clips.scorers import Scorer
from kinema.models import torch_device

TEMPLATES = ("a photo of a person {}.", "a video frame of people {}.", "{}")
"""Sentences about a name; a name's text features are the mean over them."""
NOTHING = ("a photo.", "a photo of a place without people.", "people standing around, doing nothing.")
"""Sentences that describe none of the names; their class, "none of these", is not mined."""
NONE = "none of these"


def prompt_scorer(
    names: Sequence[str],
    model: str = "ViT-B-16-SigLIP",
    weights: str | None = None,
    *,
    templates: Sequence[str] = TEMPLATES,
    device: str = "auto",
) -> Scorer:
    """Return a scorer that knows `names` only as texts.

    `model`: a name that open_clip knows. `weights`: a file, or a tag that open_clip fetches; None for the model's first tag.
    Probabilities are a softmax over the names and "none of these" of cosine similarities times the model's own scale.

    Raises `UsageError` without the mining extra, for an unknown model and templates without `{}`; `KinemaError` when the
    weights cannot be fetched.
    """
    if bad := [template for template in templates if "{}" not in template]:
        raise UsageError(f"prompt '{bad[0]}': put {{}} where the name stands")
    if NONE in names:
        raise UsageError(f"'{NONE}' is added by itself; leave it out of the names")
    network, tokenizer = _open(model, weights)
    where = torch_device("cpu" if device == "torch" else device)
    network = network.to(where).eval()
    sentences = [[template.format(name) for template in templates] for name in names]
    texts = np.stack(
        [_text_features(network, tokenizer, part, where) for part in [*sentences, list(NOTHING)]]
    )
    spec = _spec(network)
    follower = PromptFollower(network, spec, texts, where)
    digest = hashlib.sha256(json.dumps([model, sentences, NOTHING, spec.to_dict()]).encode())
    for key, value in network.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return Scorer(
        f"{model} ({weights or 'default weights'}), prompted",
        [*names, NONE],
        spec,
        follower,
        _softmax,
        digest.hexdigest()[:24],
    )


class PromptFollower:
    """Follows a video picture by picture: image features `(n, D)` of length 1, and their similarity to the texts."""

    at_a_time = 1

    def __init__(
        self, network: Any, spec: ClipSpec, texts: NDArray[np.float32], device: torch.device
    ) -> None:
        self.engine = f"torch {device.type}"
        self._network, self._spec, self._texts, self._device = network, spec, texts, device
        self._scale = float(network.logit_scale.detach().exp())

    @torch.inference_mode()
    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the image features `(n, D)` of pictures `(n, H, W, 3)`."""
        batch = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device)
        features = self._network.encode_image(self._spec.normalise(batch), normalize=True)
        found: NDArray[np.float32] = features.float().cpu().numpy()
        return found

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Return the logits `(n, K)`; single pictures have no state."""
        return (self._scale * samples @ self._texts.T).astype(np.float32), state

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Take one picture `(H, W, 3)`; return logits `(K,)`."""
        logits, state = self.advance(self.embed(picture[None]), state)
        return logits[0], state


def _open(model: str, weights: str | None) -> tuple[Any, Any]:
    try:
        import open_clip  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise UsageError("text prompts need the mining extra; pip install 'kinema[mining]'") from error
    known = open_clip.list_models()
    if model not in known:
        raise UsageError(f"unknown model '{model}'; {closest(model, known)}")
    if weights is None:
        tags = open_clip.list_pretrained_tags_by_model(model)
        if not tags:
            raise UsageError(f"{model}: open_clip names no weights for it; give a file with --clip-weights")
        weights = tags[0]
    elif not Path(weights).exists() and weights not in open_clip.list_pretrained_tags_by_model(model):
        tags = open_clip.list_pretrained_tags_by_model(model)
        raise UsageError(
            f"--clip-weights {weights}: no such file, and no tag of {model}; {closest(weights, tags)}"
        )
    try:
        network = open_clip.create_model(model, pretrained=weights)
        tokenizer = open_clip.get_tokenizer(model)
    except Exception as error:  # the hub's, urllib's, torch's: all say that the weights did not come
        raise KinemaError(
            f"{model}: its weights '{weights}' cannot be had ({first_line(error)}); they come over the network, or from a "
            "file given with --clip-weights"
        ) from error
    return network, tokenizer


@torch.inference_mode()
def _text_features(
    network: Any, tokenizer: Any, sentences: list[str], device: torch.device
) -> NDArray[np.float32]:
    features = network.encode_text(tokenizer(sentences).to(device), normalize=True).mean(dim=0)
    found: NDArray[np.float32] = (features / features.norm()).float().cpu().numpy()
    return found


def _spec(network: Any) -> ClipSpec:
    size = network.visual.image_size
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    mean = getattr(network.visual, "image_mean", None) or (0.48145466, 0.4578275, 0.40821073)  # OpenAI's CLIP
    std = getattr(network.visual, "image_std", None) or (0.26862954, 0.26130258, 0.27577711)
    # Centre crops lose what happens at the sides of wide pictures.
    return ClipSpec(frames=1, fps=2.0, height=height, width=width, mean=tuple(mean), std=tuple(std))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = (scaled / scaled.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result

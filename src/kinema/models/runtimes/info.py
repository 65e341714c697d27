"""What an exported file carries beside its graph, so that the file alone can be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from torch import nn

from kinema.data.clipspec import ClipSpec
from kinema.models.runtimes.names import Part


@dataclass(frozen=True)
class StateInfo:
    """A state that a graph takes as `name` and gives back as `next_NAME`: the shape of one stream, without the batch.

    `begins` says what it holds when a stream starts: `zeros`, or `first` for the features of the first picture in every
    row.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    begins: str = "zeros"


@dataclass(frozen=True)
class ExportInfo:
    """The metadata of one file: each field is stored as JSON under its name.

    - `part`: `whole`, `backbone`, `head` or `step`. `classes`: in the order of the probabilities.
    - `clip`: the ClipSpec; `temperature`: what logits are divided by before the softmax, which the graph does itself.
    - `model`, `settings`: the registered model. `kinema`: the version that wrote the file.
    - `fingerprint`: of weights, classes, clip and temperature: files with the same one give the same answers.
    - `precision`: `float32` or `int8`; `note`: how it was quantised. `stride`: pictures from one clip to the next.
    - `window`: whether whole clips follow a stream, each over the last T pictures.
    - `states`: what goes round from call to call. `provenance`: where the recognizer comes from.
    """

    part: Part
    classes: list[str]
    clip: dict[str, Any]
    temperature: float
    model: str
    settings: dict[str, Any]
    kinema: str
    fingerprint: str
    precision: str = "float32"
    note: str = ""
    stride: int = 1
    window: bool = False
    states: list[StateInfo] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> ClipSpec:
        """How pictures are made for the graph."""
        return ClipSpec.from_dict(self.clip)

    def to_strings(self) -> dict[str, str]:
        """Return the fields as JSON texts, which every format can store."""
        return {
            f.name: json.dumps(getattr(self, f.name), ensure_ascii=False, default=vars) for f in fields(self)
        }

    @classmethod
    def from_strings(cls, stored: Mapping[str, str]) -> ExportInfo:
        """Return what `to_strings` gave; `KeyError` or `ValueError` where it is not kinema's."""
        known = {f.name: json.loads(stored[f.name]) for f in fields(cls)}
        known["states"] = [StateInfo(**{**s, "shape": tuple(s["shape"])}) for s in known["states"]]
        return cls(**known)


def fingerprint_of(
    name: str,
    settings: Mapping[str, Any],
    spec: ClipSpec,
    classes: list[str],
    temperature: float,
    model: nn.Module,
) -> str:
    """Return a hash of everything that the probabilities of a recognizer depend on besides the pictures."""
    told = [name, dict(settings), spec.to_dict(), classes, float(temperature)]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for key, value in model.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]

"""Features and described windows that trials share: extracted once, described once, standardised once."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from kinema.data import ClipSpec, Segment
from kinema.errors import DataError
from kinema.files import cache_folder
from kinema.models import FactorisedModel, FrameBackbone, Recognizer, TemporalHead
from kinema.models.heads import Standardise
from kinema.training import FeatureCache, Listener, Track
from kinema.training.batches import describe_tracks
from kinema.tuning.names import TrialSettings
from kinema.tuning.quick_fit import WindowTable

# What a process keeps of described windows; the ones used last stay.
_MOST_BYTES = 1_500_000_000
_MOST_BYTES_A_TABLE = 500_000_000


@dataclass
class FeatureSet:
    """The tracks of all segments, None where a video could not be read, and of the same mirrored."""

    tracks: list[Track | None]
    mirrored: list[Track | None]
    problems: list[str]


class SharedFeatures:
    """Features of `segments` for any frozen backbone, and tables of windows made of them.

    What backbones compute is in kinema's feature cache, so that processes and later searches share it too; two
    processes that want the same at the same time wait for each other.
    """

    def __init__(
        self, segments: Sequence[Segment], classes: list[str], seed: int, device: str, listener: Listener
    ) -> None:
        self.segments, self.classes = list(segments), classes
        self._seed, self._device, self._listener = seed, device, listener
        self._sets: dict[str, FeatureSet] = {}
        self._tables: OrderedDict[str, WindowTable] = OrderedDict()
        self.extractions = 0

    def tracks(
        self, settings: TrialSettings, spec: ClipSpec, model: FactorisedModel, flip: bool
    ) -> FeatureSet:
        """Return the features of the backbone that `settings` name; `model` has its layout, not its weights.

        Raises `DataError` when no video can be read.
        """
        key = f"{self._backbone_key(settings, spec, model.backbone)} {flip}"
        if key not in self._sets:
            name = hashlib.sha256(key.encode()).hexdigest()[:16]
            (cache_folder() / "tune").mkdir(parents=True, exist_ok=True)
            with FileLock(str(cache_folder() / "tune" / f"{name}.lock")):
                self._sets[key] = self._extract(settings, spec, flip)
            self.extractions += 1
        return self._sets[key]

    def table(
        self, settings: TrialSettings, spec: ClipSpec, model: FactorisedModel, flip: bool
    ) -> tuple[WindowTable, str]:
        """Return the described windows of all segments, a quarter of a clip apart, and a key that names them."""
        found = self.tracks(settings, spec, model, flip)
        head = model.head
        key = (
            f"{self._backbone_key(settings, spec, model.backbone)} {flip} {head.frames} {_description(head)}"
        )
        return self._kept(key, lambda: _described(head, found)), key

    def standardised(self, head: TemporalHead, table: WindowTable, key: str) -> WindowTable:
        """Take the head's own standardisation out of it and return the table standardised, where that is the same.

        `head` must be prepared. Other heads stay as they are, and so does their table.
        """
        layer = getattr(head, "standardise", None)
        if not isinstance(layer, Standardise) or not _comes_first(head, table):
            return table

        def make() -> WindowTable:
            joined = torch.cat([layer(side.float()) for side in table.sides])
            sides = list(joined.split([len(side) for side in table.sides]))
            return WindowTable(sides, table.first, joined)

        if sum(side.numel() * 4 for side in table.sides) > _MOST_BYTES // 2:
            return table
        made = self._kept(f"{key} {_numbers(layer)}", make)
        head.standardise = nn.Identity()
        return made

    def _kept(self, key: str, make: Callable[[], WindowTable]) -> WindowTable:
        if key not in self._tables:
            self._tables[key] = make()
        self._tables.move_to_end(key)
        while len(self._tables) > 1 and sum(map(_bytes, self._tables.values())) > _MOST_BYTES:
            self._tables.popitem(last=False)
        return self._tables[key]

    def _extract(self, settings: TrialSettings, spec: ClipSpec, flip: bool) -> FeatureSet:
        torch.manual_seed(
            self._seed
        )  # a backbone without weights is then the same in every trial and in the final run
        recognizer = Recognizer.create(settings.model, self.classes, spec, **settings.model_settings)
        recognizer.device = self._device
        self._listener.stage(
            f"extracting features ({recognizer.factorised.backbone.name}, {spec.fps:g} a second)"
        )
        cache = FeatureCache(recognizer.factorised.backbone, recognizer.spec, recognizer.embedder)
        straight = cache.extract(self.segments, progress=self._listener.items)
        if not straight.readable():
            raise DataError(
                f"none of {len(self.segments)} videos could be read; first: {straight.problems[0]}"
            )
        mirrored: list[Track | None] = []
        if flip:
            self._listener.stage("extracting features of mirrored pictures")
            mirrored = cache.extract(self.segments, mirrored=True, progress=self._listener.items).tracks
        return FeatureSet(straight.tracks, mirrored, straight.problems)

    def _backbone_key(self, settings: TrialSettings, spec: ClipSpec, backbone: FrameBackbone) -> str:
        """Name what features depend on, without loading weights: network, taps, shapes, weights' name and pixels."""
        shapes = [tuple(p.shape) for p in backbone.parameters()]
        parts = [
            type(backbone).__name__,
            _plain(backbone),
            str(backbone.taps),
            hashlib.sha256(str(shapes).encode()).hexdigest()[:16],
            settings.model_settings.get("weights"),
            spec.fingerprint(pixels_only=True),
        ]
        return json.dumps(parts, default=str)


def _described(head: TemporalHead, found: FeatureSet) -> WindowTable:
    stride = max(1, head.frames // 4)
    parts = [describe_tracks(head, found.tracks, stride, _MOST_BYTES_A_TABLE)]
    if found.mirrored:
        parts.append(describe_tracks(head, found.mirrored, stride, _MOST_BYTES_A_TABLE))
    return WindowTable([part.described for part in parts], [part.first for part in parts])


def _description(head: TemporalHead) -> str:
    """Name what `head.describe` depends on: nothing where windows are described as they are."""
    if type(head).describe is TemporalHead.describe:
        return "windows"
    return f"{type(head).__name__} {_plain(head)}"


def _plain(module: nn.Module) -> str:
    """Return the attributes of a module that are numbers, words and lists of them."""
    kinds = (bool, int, float, str)
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "training"
        and (
            isinstance(value, kinds) or (isinstance(value, list) and all(isinstance(v, kinds) for v in value))
        )
    }
    return json.dumps(found, sort_keys=True)


@torch.no_grad()
def _comes_first(head: TemporalHead, table: WindowTable) -> bool:
    """Whether `decide` begins with `standardise`, tried on two windows."""
    was, layer = head.training, head.standardise
    head.eval()
    some = table.sides[0][:2].float()
    expected = head.decide(some)
    head.standardise = nn.Identity()
    same = torch.allclose(head.decide(layer(some)), expected, atol=1e-5)  # type: ignore[operator]
    head.standardise = layer
    head.train(was)
    return same


def _numbers(layer: Standardise) -> str:
    digest = hashlib.sha256(layer.mean.numpy().tobytes() + layer.std.numpy().tobytes())
    return digest.hexdigest()[:16]


def _bytes(table: WindowTable) -> int:
    return sum(_size(side) for side in table.sides)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def plain_settings(settings: TrialSettings) -> dict[str, Any]:
    """Return the model's settings for a layout without weights."""
    from kinema.models import model_entry

    if "weights" in model_entry(settings.model).settings:
        return {**settings.model_settings, "weights": "none"}
    return settings.model_settings

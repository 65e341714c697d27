"""Features of takes as soon as they arrive, so that a training finds all of them in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.models import Recognizer, default_spec
from kinema.training.features import FeatureCache
from kinema.training.train import DEFAULT_MODEL


class TakeFeatures:
    """The frozen backbone of a taught recognizer, ready to look at takes; it is opened once, which takes seconds.

    `model`, `clip`, `device` and `model_settings` are those of `teach`.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        clip: dict[str, Any] | None = None,
        device: str = "auto",
        **model_settings: Any,
    ) -> None:
        spec = ClipSpec.from_dict({**default_spec(model, model_settings).to_dict(), **(clip or {})})
        recognizer = Recognizer.create(model, ["a", "b"], spec, **model_settings)
        recognizer.device = device
        self._cache = FeatureCache(recognizer.factorised.backbone, spec, recognizer.embedder)

    def compute(self, videos: Sequence[Path], *, mirrored: bool) -> list[str]:
        """Compute and keep the features of videos, and of their mirror images; return what could not be read, a line each."""
        manifest = Manifest(
            {"video": [str(path.absolute()) for path in videos], "label": ["a"] * len(videos)}
        )
        problems = self._cache.extract(manifest.segments()).problems
        if mirrored and not problems:
            problems = self._cache.extract(manifest.segments(), mirrored=True).problems
        return problems

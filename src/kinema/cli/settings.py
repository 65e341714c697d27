"""Settings of a training as the command line gives them: from `--set`, from another run, from another system's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinema.errors import DataError, UsageError


class Settings:
    """Settings of the command line, sorted into those of the training, the clip and the model."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.folds: int | str | None = None
        self.training: dict[str, Any] = {}
        self.clip: dict[str, Any] = {}
        self.model_settings: dict[str, Any] = {}
        self.notes: list[str] = []

    @classmethod
    def like(cls, run: Path) -> Settings:
        """Read the settings of a run's params.json."""
        path = run / "params.json"
        try:
            params = json.loads(path.read_text(encoding="utf-8"))
            found = cls()
            found.model = params["architecture"]
            found.training, found.clip = dict(params["training"]), dict(params["clip"])
            found.model_settings, found.folds = dict(params["model"]), params.get("folds")
        except FileNotFoundError as error:
            raise DataError(f"{path}: missing; --like takes the folder of a finished run") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: damaged ({error}); give another run to --like") from error
        return found

    @classmethod
    def like_seed(cls, system: str | None, params: Path | None) -> Settings:
        """Take the parameters of another system."""
        from kinema.training.like_seed import like_seed

        if system is None:
            raise UsageError("--params: say whose parameter file it is, with --like-seed s4")
        like, found = like_seed(system, params), cls()
        found.model, found.training, found.clip = like.model, like.training, like.clip
        found.model_settings, found.notes = like.model_settings, like.notes
        return found

    def put(self, text: str, model_settings: list[str]) -> None:
        """Take `NAME=VALUE`; the value is read as JSON where it can be. Unknown names raise `UsageError`."""
        from kinema.training.settings_text import put_setting

        put_setting(text, self.training, self.clip, self.model_settings, model_settings)

"""What a run keeps of itself until it is finished, so that a killed one can go on: settings, manifest, hashes of the videos."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from kinema import __version__
from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError, UsageError
from kinema.files import write_json
from kinema.runs import at_work, held
from kinema.training.content import ContentHashes
from kinema.training.settings import Refit, TrainSettings

_FORMAT = 1


@dataclass
class Plan:
    """Everything that decides a run: the same plan on the same videos gives the same numbers."""

    model: str
    model_settings: dict[str, Any]
    spec: ClipSpec
    settings: TrainSettings
    k: int | str | None
    device: str
    manifest: Manifest
    refit: Refit | None = None


class RunState:
    """The folder `checkpoint/` of a run that is not finished; `plan.json` in it says that the rest is whole."""

    def __init__(self, run: Path) -> None:
        self.run, self.folder = run, run / "checkpoint"
        self._alone = False  # whether all that the run's folder holds is of this run

    @property
    def exists(self) -> bool:
        """Whether a run was begun here and not finished."""
        return (self.folder / "plan.json").is_file()

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from training the same run. Entering it raises `UsageError` where one has it."""
        return held(self.run)

    @property
    def at_work(self) -> bool:
        """Whether a process is training the run now."""
        return at_work(self.run)

    def begin(self, plan: Plan) -> None:
        """Write the plan, with a hash of each video's content."""
        manifest = plan.manifest
        self._alone = not any(path != self.folder for path in self.run.iterdir())
        manifest.write(self.folder / "data.parquet")
        write_json(
            self.folder / "plan.json",
            {
                "format": _FORMAT,
                "made_with": _versions(),
                "model": plan.model,
                "model_settings": plan.model_settings,
                "clip": plan.spec.to_dict(),
                "training": plan.settings.to_dict(),
                "folds": plan.k,
                "refit": None if plan.refit is None else asdict(plan.refit),
                "device": plan.device,
                "threads": torch.get_num_threads(),
                "root": str(manifest.root),
                "path": None if manifest.path is None else str(Path(manifest.path).absolute()),
                "notes": manifest.notes,
                "source_format": manifest.source_format,
                "videos": manifest.table["video"].tolist(),
                "content": _contents(manifest),
            },
        )

    def plan(self, say: Callable[[str], None] = lambda text: None) -> Plan:
        """Read the plan; `say` hears what makes the rest of the run differ by rounding from one that was not stopped.

        Raises `DataError` when it is damaged, or when the data is no longer what it was; the line says what differs.
        """
        path = self.folder / "plan.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["format"] != _FORMAT:
                raise ValueError(f"format {stored['format']}, written by another kinema")
            table = Manifest.read(self.folder / "data.parquet").table.assign(video=stored["videos"])
            manifest = Manifest(
                table,
                stored["root"],
                notes=stored["notes"],
                source_format=stored["source_format"],
                path=None if stored["path"] is None else Path(stored["path"]),
            )
            plan = Plan(
                stored["model"],
                dict(stored["model_settings"]),
                ClipSpec.from_dict(stored["clip"]),
                TrainSettings.from_dict(stored["training"]),
                stored["folds"],
                stored["device"],
                manifest,
                Refit(**stored["refit"]) if stored.get("refit") else None,
            )
            content, versions, threads = dict(stored["content"]), stored["made_with"], int(stored["threads"])
        except (ValueError, KeyError, TypeError, OSError, DataError, UsageError) as error:
            raise DataError(f"{path}: damaged ({error}); delete the run and train again") from error
        _refuse_other_data(self.run, manifest, content)
        changed = [
            f"{name} {was} is now {_versions()[name]}"
            for name, was in versions.items()
            if was != _versions()[name]
        ]
        if changed:
            say(f"{', '.join(changed)}: the curve goes on, but not to the last bit")
        torch.set_num_threads(threads)  # how sums are divided between threads decides their last bit
        return plan

    def end(self) -> None:
        """Remove the folder: the run is finished."""
        (self.folder / "plan.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget_if_nothing_was_learned(self) -> None:
        """Remove what the run wrote, unless a fit has saved itself; of a folder that held something before, the plan only."""
        if any(self.folder.glob("*.pt")):
            return
        self.end()
        if self._alone:
            shutil.rmtree(self.run, ignore_errors=True)


def _versions() -> dict[str, str]:
    return {"kinema": __version__, "torch": torch.__version__, "machine": platform.machine()}


def _contents(manifest: Manifest) -> dict[str, str | None]:
    hashes = ContentHashes()
    found: dict[str, str | None] = {}
    for name in manifest.table["video"].unique():
        try:
            found[str(name)] = hashes(manifest.video_path(name))
        except (OSError, KinemaError):
            found[str(name)] = None  # it is left out of the training, too
    return found


def _refuse_other_data(run: Path, manifest: Manifest, content: dict[str, str | None]) -> None:
    now = _contents(manifest)
    gone = [name for name, was in content.items() if was is not None and now.get(name) is None]
    other = [n for n, was in content.items() if now.get(n) is not None and now[n] != was]
    relabelled = _relabelled(manifest)
    for names, what in (
        (gone, "cannot be read any more"),
        (other, "changed"),
        (relabelled, "labelled otherwise now"),
    ):
        if names:
            count = f"{len(names)} of {len(content)} videos" if len(names) > 1 else f"'{names[0]}'"
            first = f", first '{names[0]}'" if len(names) > 1 else ""
            raise DataError(
                f"{run}: the data is not what this run began with: {count} {what}{first}; "
                "put the data back as it was, or train a new run"
            )


def _relabelled(manifest: Manifest) -> list[str]:
    """Return the videos whose rows have another label or other times in the place that the data came from.

    Splits and groups are the run's own; rows that were added since are no part of it.
    """
    from kinema.data import read_data

    if manifest.path is None:
        return []
    try:
        source = read_data(manifest.path)
    except KinemaError:
        return []  # the videos themselves are there; the table that listed them was moved
    columns = ["video", "start", "end", "label"]
    known = set(source.table[columns].fillna("").itertuples(index=False, name=None))
    rows = manifest.table[columns].fillna("").itertuples(index=False, name=None)
    return [str(row[0]) for row in rows if row not in known]

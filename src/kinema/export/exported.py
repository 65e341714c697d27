"""`load_exported`: what an exported file, or a folder of them, says of pictures; no recognizer and no training code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.data.segments import usable_cores
from kinema.errors import DataError, UsageError
from kinema.models.embedder import Embedder, open_embedder
from kinema.models.follow import Follower
from kinema.models.runtimes.followers import ClipGraphFollower, HeadFollower, StepFollower
from kinema.models.runtimes.graphs import Graph, open_graph, read_info
from kinema.models.runtimes.info import ExportInfo
from kinema.models.runtimes.names import FORMATS, Part, parts_in


@dataclass
class ExportedModel:
    """Exported graphs with their metadata `info`; `predict` for clips, `stream` for pictures one by one.

    >>> model = load_exported("runs/demo/recognizer/onnx")  # doctest: +SKIP
    >>> model.classes[model.predict(clip).argmax()]  # doctest: +SKIP
    'walking'
    """

    info: ExportInfo
    files: dict[Part, Path]
    threads: int | None = None
    _whole: Graph | None = field(default=None, repr=False)
    _follower: Follower | None = field(default=None, repr=False)

    @property
    def classes(self) -> list[str]:
        """The classes in the order of the probabilities."""
        return self.info.classes

    @property
    def spec(self) -> ClipSpec:
        """How pictures are made: `spec.pictures(open_source(video))` gives what `stream` takes."""
        return self.info.spec

    def predict(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probabilities `(K,)` of a clip uint8 `(T, H, W, 3)`, `(B, K)` of clips `(B, T, H, W, 3)`.

        Raises `UsageError` for pictures of another shape, and where no graph of whole clips is there.
        """
        spec = self.spec
        shape = (spec.frames, spec.height, spec.width, 3)
        given = np.asarray(clips)
        if given.dtype != np.uint8 or given.shape[-4:] != shape or given.ndim not in (4, 5):
            raise UsageError(
                f"clips of {given.dtype} {given.shape}: give uint8 {shape}, or several of them in one array"
            )
        if self._whole is None:
            if "whole" not in self.files:
                raise UsageError(
                    f"{self._folder}: no graph of whole clips; use stream, or export again with --whole"
                )
            self._whole = open_graph(self.files["whole"], self.threads or usable_cores())
        batch = np.ascontiguousarray(given.reshape(-1, *shape))
        found = self._whole.run({"pictures": batch}, ["probabilities"])["probabilities"]
        return found if given.ndim == 5 else found[0]

    def stream(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the probabilities `(K,)` of the window that ends at each picture uint8 `(H, W, 3)`, as they come.

        Raises `UsageError` where the graphs that follow a stream are not there.
        """
        if self._follower is None:
            self._follower = self._open_follower()
        state: Any = None
        for picture in pictures:
            logits, state = self._follower.step(np.asarray(picture), state)
            scaled = np.exp((logits - logits.max()) / self.info.temperature)
            yield (scaled / scaled.sum()).astype(np.float32)

    @property
    def _folder(self) -> Path:
        return next(iter(self.files.values())).parent

    def _open_follower(self) -> Follower:
        count = self.threads or usable_cores()
        if "backbone" in self.files and "head" in self.files:
            embedder: Embedder = open_embedder(self.files["backbone"], self.threads)
            return HeadFollower(embedder, open_graph(self.files["head"], 1), self.spec.frames)
        if "step" in self.files:
            return StepFollower(open_graph(self.files["step"], count), read_info(self.files["step"]).states)
        if "whole" in self.files and self.info.window:
            return ClipGraphFollower(
                open_graph(self.files["whole"], count), self.spec.frames, self.info.stride
            )
        raise UsageError(
            f"{self._folder}: no graphs that follow a stream; use predict, or export again with --streaming"
        )


def load_exported(path: str | os.PathLike[str], threads: int | None = None) -> ExportedModel:
    """Open an exported file, or a folder of one format; of a file, those of the same export beside it too.

    Raises `DataError` where nothing is there, a file is damaged, or files of different weights lie side by side.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; make it with kinema export")
    suffixes = [path.suffix] if path.is_file() else list(FORMATS.values())
    for name, suffix in FORMATS.items():
        if suffix not in suffixes:
            continue
        files = parts_in(folder, name)
        if path.is_file() and path not in files.values():
            files = {read_info(path).part: path}  # under a name of its own: that file alone
        if not files:
            continue
        infos = {part: read_info(file) for part, file in files.items()}
        if len({(info.fingerprint, info.precision) for info in infos.values()}) > 1:
            raise DataError(f"{folder}: files of different exports lie side by side; export again")
        chosen = next((info for part, info in infos.items() if files[part] == path), None)
        return ExportedModel(chosen or next(iter(infos.values())), files, threads)
    raise DataError(f"{path}: holds no exported file; give one, or a folder that kinema export wrote")

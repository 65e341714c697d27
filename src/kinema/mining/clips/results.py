"""What mining leaves: the manifest of candidate clips, and what became of each video."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinema.data import Manifest
from kinema.errors import DataError
from kinema.mining.clips.selection import CandidateClip

MANIFEST = "clips.csv"
COLUMNS = (
    "video", "start", "end", "label", "split", "group", "score", "peak_time", "source_video", "source_start", "source_end",
    "source_hash", "recognizer",
)  # fmt: skip


@dataclass
class MinedVideo:
    """One video: its name as it was given, content hash, seconds, and the clips with their names and what was written.

    `reused`: its curve was there before. `left_out_short`: peaks whose shots are shorter than a clip. `error`: why nothing
    could be done with it.
    """

    video: str
    content: str
    seconds: float
    reused: bool
    left_out_short: int
    problems: list[str]
    clips: list[tuple[CandidateClip, str, dict[str, Any]]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "video": self.video,
            "hash": self.content,
            "seconds": round(self.seconds, 3),
            "clips": len(self.clips),
            "copied": sum(bool(about.get("copied")) for _, _, about in self.clips),
            "short": sum(clip.short for clip, _, _ in self.clips),
            "left_out_short": self.left_out_short,
            "problems": self.problems,
            "error": self.error,
        }


@dataclass
class Mined:
    """What a call of `mine_clips` did: `manifest` is None for a dry run."""

    folder: Path
    videos: list[MinedVideo]
    notes: list[str]
    manifest: Path | None

    @property
    def clips(self) -> int:
        """How many clips there are of the videos of this call."""
        return sum(len(video.clips) for video in self.videos)

    @property
    def failed(self) -> list[MinedVideo]:
        """The videos that could not be read."""
        return [video for video in self.videos if video.error]

    @property
    def left_out_short(self) -> int:
        """How many peaks were passed over as their shots are shorter than a clip."""
        return sum(video.left_out_short for video in self.videos)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "folder": str(self.folder),
            "manifest": None if self.manifest is None else str(self.manifest),
            "clips": self.clips,
            "labels": self.counts(),
            "left_out_short": self.left_out_short,
            "notes": self.notes,
            "videos": [video.to_dict() for video in self.videos],
        }

    def counts(self) -> dict[str, int]:
        """Return how many clips there are of each label."""
        found: dict[str, int] = {}
        for video in self.videos:
            for clip, _, _ in video.clips:
                found[clip.label] = found.get(clip.label, 0) + 1
        return dict(sorted(found.items()))


def manifest_row(
    result: MinedVideo, clip: CandidateClip, name: str, about: dict[str, Any], recognizer: str
) -> dict[str, Any]:
    """Return a clip's row of the manifest; `about` is where its file begins and ends, `recognizer` a fingerprint."""
    return {
        "video": f"clips/{name}",
        "start": None,
        "end": None,
        "label": clip.label,
        "split": None,
        "group": result.video,
        "score": round(clip.score, 6),
        "peak_time": round(clip.peak_time, 3),
        "source_video": result.video,
        "source_start": about["start"],
        "source_end": about["end"],
        "source_hash": result.content,
        "recognizer": recognizer,
    }


def merged_table(folder: Path, rows: Sequence[dict[str, Any]], contents: Collection[str]) -> Manifest:
    """Return the manifest of the rows, behind those of earlier calls about other videos.

    Raises `DataError` when there is neither.
    """
    kept = [row for row in _rows(folder) if row.get("source_hash") not in contents]
    every = [*kept, *rows]
    table = {name: [row.get(name) for row in every] for name in COLUMNS}
    return Manifest(table, folder, source_format="mined clips")


def passed_over(folder: Path, rows: Sequence[dict[str, Any]], contents: Collection[str]) -> str:
    """Return a sentence on clips of these contents that earlier calls listed and that are none of the rows; "" where none is."""
    from kinema.data.wording import count

    names = {row["video"] for row in rows}
    gone = sum(row.get("source_hash") in contents and row["video"] not in names for row in _rows(folder))
    return (
        f"listed before and not chosen now: {count(gone, 'clip')}; the files stay in clips/" if gone else ""
    )


def known_words(folder: Path) -> dict[str, str]:
    """Return the first parts of the names of clips that earlier calls wrote, in lower case, and whose hashes they are."""
    found: dict[str, str] = {}
    for row in _rows(folder):
        word = Path(str(row["video"])).name.split("__", 1)[0]
        found[word.casefold()] = str(row.get("source_hash"))
    return found


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / MANIFEST
    if not path.is_file():
        return []
    from kinema.data.readers.tables import read_cells

    try:
        table, _ = read_cells(path)
    except DataError as error:
        raise DataError(
            f"{path}: cannot be added to ({error}); move it away or choose another --out"
        ) from error
    if "source_hash" not in table.columns or "video" not in table.columns:
        raise DataError(f"{path}: not written by kinema mine clips; move it away or choose another --out")
    found: list[dict[str, Any]] = [
        dict(zip(table.columns, cells, strict=True)) for cells in table.to_numpy().tolist()
    ]
    for row in found:
        for name in ("start", "end", "score", "peak_time", "source_start", "source_end"):
            row[name] = float(row[name]) if row.get(name) else None
        for name in ("split", "label", "group"):
            row[name] = row.get(name) or None
    return found

"""Images of the frames of labelled video, many videos at a time, with tables; a run that was stopped goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinema.data.frames.folder import FrameFolder, Record, stale
from kinema.data.frames.plan import Stretch, plan_stretches
from kinema.data.frames.run import Progress, Run
from kinema.data.frames.settings import FrameSettings
from kinema.data.frames.space import Room, amount, estimate
from kinema.data.frames.tables import Failure, write_tables
from kinema.data.frames.writing import content_of
from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.segments import usable_cores
from kinema.data.wording import count
from kinema.errors import DataError, KinemaError, UsageError


@dataclass(frozen=True)
class FrameExtraction:
    """What `extract_frames` did: `images` and their `bytes` in `folder`, from `clips` of the manifest's rows.

    `made` and `kept` are the images written now, and those that an earlier run had finished.
    """

    folder: Path
    clips: int
    images: int
    bytes: int
    made: int
    kept: int
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> list[Failure]:
        """The failures because of which a clip has no image at all."""
        return [failure for failure in self.failures if not failure.images]

    def text(self, most: int = 20) -> str:
        """Return the notes, a summary, and the first `most` failures, a line each."""
        before = f", {self.kept:,} of them from an earlier run" if self.kept else ""
        lines = [
            *self.notes,
            f"{count(self.images, 'image')} of {count(self.clips, 'clip')}{before}, {amount(self.bytes)}",
        ]
        for failure in self.failures[:most]:
            times = "" if failure.start is None and failure.end is None else _range(failure)
            lines.append(f"  {failure.kind}  {failure.video}{times}  {failure.reason}")
        if len(self.failures) > most:
            lines.append(f"  and {len(self.failures) - most:,} more in failures.csv")
        return "\n".join(lines)


def extract_frames(
    manifest: Manifest,
    out: str | os.PathLike[str],
    settings: FrameSettings | None = None,
    *,
    workers: int | None = None,
    replace: bool = False,
    check_space: bool = True,
    progress: Progress | None = None,
    announce: Callable[[Room], None] | None = None,
) -> FrameExtraction:
    """Write the frames of every segment of `manifest` as images into the folder `out`, with tables (`write_tables`).

    Only the seconds of the segments are written; a segment that follows another without a gap shares its folder
    (see `plan_stretches`). `workers` videos are read at a time (default: one for each usable core). A run that was
    stopped goes on with the same call: finished clips are not decoded again, changed videos are. `replace` allows
    to remove the images of other settings or other data. What cannot be read is left out and listed in `failures`.

    `announce(room)` is told the estimate of images, bytes and free bytes beforehand; `progress(clips, of, images)`
    is called ten times a second from this thread.

    Raises `UsageError` for a folder that holds other things, `DataError` when no image at all could be written,
    `KinemaError` when the disk is too small (unless `check_space` is false) or full.
    """
    settings = settings or FrameSettings()
    out = Path(out)
    if workers is not None and workers < 1:
        raise UsageError(f"workers must be at least 1, not {workers}")
    if not len(manifest):
        raise DataError(f"{manifest.path or manifest.root}: there are no clips to take frames of")
    _refuse_inside(manifest, out)
    manifest = assign_groups(manifest) if manifest.table["group"].isna().any() else manifest
    with FrameFolder.open(out, settings, replace) as folder:
        segments = manifest.segments()
        plan = plan_stretches(segments, settings, folder.names())
        if gone := stale(folder, plan.stretches, replace):
            folder.remove(gone)
            plan = plan_stretches(segments, settings, folder.names())
        contents = {video: _content(video) for video in {stretch.video for stretch in plan.stretches}}
        todo = [s for s in plan.stretches if not folder.finished(s, contents[s.video])]
        changed = [stretch for stretch in todo if stretch.key in folder.records]
        folder.remove(stretch.key for stretch in changed)
        folder.sweep(todo)
        kept = sum(len(record.times) for record in folder.records.values())
        if todo:
            _check_room(todo, settings, out, check_space, announce)
        failures = Run(folder, contents, workers or usable_cores()).all(todo, progress)
        done = [(s, folder.records[s.key]) for s in plan.stretches if s.key in folder.records]
        failures += [failure for stretch, record in done for failure in _problems(stretch, record)]
        notes = [*plan.notes, *write_tables(out, done, failures, settings)]
    if changed:
        notes.append(f"{count(len(changed), 'clip')} made anew: the video has changed since")
    if not done:
        first = f"{failures[0].video}: {failures[0].reason}"
        raise DataError(f"{out}: no image was written; failures.csv there lists why, first {first}")
    images = sum(len(record.times) for _, record in done)
    return FrameExtraction(
        folder=out,
        clips=sum(1 for _, record in done for number in record.counts if number),
        images=images,
        bytes=sum(record.bytes for _, record in done),
        made=images - kept,
        kept=kept,
        failures=failures,
        notes=notes,
    )


def _content(video: Path) -> str:
    try:
        return content_of(video)
    except OSError:
        return "missing"


def _problems(stretch: Stretch, record: Record) -> list[Failure]:
    first, last = stretch.segments[0], stretch.segments[-1]
    images = len(record.times)
    found = [
        Failure(stretch.name, first.start, last.end, first.label, kind, reason, images)
        for kind, reason in record.problems
    ]
    for segment, number in zip(stretch.segments, record.counts, strict=True):
        if not number:
            reason = "none of the frames that were asked for is in this range"
            found.append(
                Failure(stretch.name, segment.start, segment.end, segment.label, "no frames", reason)
            )
    return found


def _range(failure: Failure) -> str:
    end = "end" if failure.end is None else f"{failure.end:g} s"
    return f" [{failure.start or 0:g} to {end}]"


def _refuse_inside(manifest: Manifest, out: Path) -> None:
    target = out.resolve()
    listed = manifest.path is not None or manifest.source_format in ("table", "manifest", "one video")
    if not listed and target.is_relative_to(manifest.root.resolve()):
        raise UsageError(
            f"{out}: this lies in the data that is read, and would be read as data; give a folder outside"
        )
    folders = {target, *target.parents}
    for name in manifest.table["video"].unique():
        video = manifest.video_path(name)
        if video.resolve() in folders and video.is_dir():
            raise UsageError(f"{out}: this lies in the frame folder {name}; give a folder outside")


def _check_room(
    todo: Sequence[Stretch],
    settings: FrameSettings,
    out: Path,
    check_space: bool,
    announce: Callable[[Room], None] | None,
) -> None:
    room = estimate(todo, settings, out)
    if room is None:
        return
    if announce is not None:
        announce(room)
    if check_space and room.bytes > room.free:
        need = f"{room}; take fewer (per video, every, fps, classes) or smaller frames"
        raise KinemaError(f"{out}: the disk is too small: {need}, or pass over this check (--no-check-space)")

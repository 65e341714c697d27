"""The whole job: videos in; candidate clips, their manifest and where they come from out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kinema.data import Manifest
from kinema.data.segments import usable_cores
from kinema.errors import DataError, KinemaError, UsageError, closest
from kinema.evaluation.video_inputs import VideoInput, video_inputs
from kinema.files import write_json
from kinema.mining.clips.curve import ScoreCurve
from kinema.mining.clips.cutter import ClipCutter, CutJob
from kinema.mining.clips.naming import video_words
from kinema.mining.clips.results import (
    MANIFEST,
    Mined,
    MinedVideo,
    known_words,
    manifest_row,
    merged_table,
    passed_over,
)
from kinema.mining.clips.scorers import Scorer
from kinema.mining.clips.scoring import Unscored, score_videos
from kinema.mining.clips.selection import ClipRules, Selection, select_clips
from kinema.mining.clips.store import ScoreStore, curve_key, locked
from kinema.video.remote import video_hash

Progress = Callable[[float, int, str], None]
SINGLE_EVERY = 2
"""Each how-many-th frame a recognizer of single pictures looks at by default, as S3 does."""


@dataclass
class _Video:
    entry: VideoInput
    content: str
    key: str
    word: str = ""
    curve: ScoreCurve | None = None
    reused: bool = False

    @property
    def part_key(self) -> str:
        """Under which the curve is kept as long as it is not whole."""
        return f"{self.key} in part"


def mine_clips(
    scorer: Scorer,
    videos: Manifest | Sequence[str | os.PathLike[str] | VideoInput],
    out: str | os.PathLike[str],
    rules: ClipRules | None = None,
    *,
    every: int | None = None,
    labels: Sequence[str] | None = None,
    cache_file: Path | None = None,
    copy: bool = True,
    dry_run: bool = False,
    fps: float | None = None,
    workers: int | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Mined:
    """Cut the clips of videos, folders of videos or a manifest in which a scorer finds its names; write them into `out`.

    - `clips/VIDEO__LABEL__START-END.mp4`; `clips.csv`, a manifest with the clip's score, peak and where it comes from; the
      source is its group. Rows of other videos that an earlier call wrote stay.
    - `mining.json`: recognizer, settings, and what became of each video.
    - `scores.db` (or `cache_file`): the score curves by content, of a long video also its first part. The same call, and one
      with other rules, scores nothing twice; clips that are there are not cut again.
    - with `dry_run` no clips but the curves: `curves/VIDEO.png` and `.csv`.

    `every`: each so-many-th frame is scored; default 2 for recognizers of single pictures, the own rate of others. `labels`:
    default all but "none of these" and the like. `copy`: clips may begin at keyframes near by, so that packets are copied.
    `workers`: videos read side by side. A video with the content of another is passed over; of a manifest each video is mined
    once and whole, whatever stretches its rows name. `progress` gets the videos done (with a fraction), their number, and what
    is being done.

    Raises `UsageError` for unknown labels, `DataError` when there is no video, `KinemaError` when `out` cannot be written or
    another process mines into it. One bad video never stops the others.
    """
    if every is not None and every < 1:
        raise UsageError(f"every {every}: give each how-many-th frame is scored, at least 1")
    rules, folder = rules or ClipRules(), Path(out)
    wanted = _wanted(scorer, labels)
    inputs = video_inputs(videos, fps=fps, out=folder)
    every = every if every is not None or not scorer.single else SINGLE_EVERY
    workers = workers or usable_cores()
    with locked(folder), ScoreStore(cache_file or folder / "scores.db") as store:
        cutter = None
        if not dry_run:
            cutter = ClipCutter(folder, store, scorer.classes, rules.overlap, copy, workers)
        job = _Mining(scorer, folder, rules, wanted, store, cutter, every, workers, batch_size, progress)
        return job.run(inputs)


@dataclass
class _Mining:
    scorer: Scorer
    folder: Path
    rules: ClipRules
    labels: list[str]
    store: ScoreStore
    cutter: ClipCutter | None
    every: int | None
    workers: int
    batch_size: int
    progress: Progress | None
    total: int = 0
    found: list[MinedVideo] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shares: dict[int, float] = field(default_factory=dict)

    def run(self, inputs: Sequence[VideoInput]) -> Mined:
        self.total = len(inputs)
        videos = self._identified(inputs)
        before = {} if self.cutter is None else known_words(self.folder)
        words = video_words([(v.entry.path, v.content) for v in videos], before)
        for video, word in zip(videos, words, strict=True):
            video.word = word
        try:
            self._mine(videos)
            if self.cutter:
                self._tell("writing clips")
                self.cutter.close()
        except BaseException:
            # What is whole is kept and listed; a second failure on the way must not hide the first.
            if self.cutter:
                self.cutter.stop()
                if self.found:
                    with suppress(KinemaError, OSError):
                        self._write()
            raise
        manifest = None if self.cutter is None else self._write()
        return Mined(self.folder, self.found, self.notes, manifest)

    def _mine(self, videos: Sequence[_Video]) -> None:
        waiting: list[_Video] = []
        for video in videos:
            video.curve = self.store.curve(video.key)
            video.reused = video.curve is not None
            if video.reused:
                self._finish(video)
            else:
                waiting.append(video)
        unscored = []
        for video in waiting:
            part = self.store.curve(video.part_key)
            unscored.append(Unscored(video.entry.path, video.entry.fps, self.every, part))
            if part:
                self.notes.append(
                    f"{video.entry.name}: scored up to {part.end:.0f} s before, went on from there"
                )
        for number, result in score_videos(
            self.scorer,
            unscored,
            decoders=self.workers,
            batch_size=self.batch_size,
            told=lambda number, share: self._heard(number, share, waiting[number].entry.path.name),
            kept=lambda number, part: self._keep(waiting[number], waiting[number].part_key, part),
        ):
            video = waiting[number]
            self.shares.pop(number, None)
            if isinstance(result, KinemaError):
                self._failed(video.entry, result)
                continue
            self._keep(video, video.key, result)
            self.store.forget(video.part_key)
            video.curve = result
            self._finish(video)

    def _keep(self, video: _Video, key: str, curve: ScoreCurve) -> None:
        self.store.keep(key, curve, f"{video.entry.name} by {self.scorer.name}")

    def _identified(self, inputs: Sequence[VideoInput]) -> list[_Video]:
        """Return the videos with the hash of their contents, each content once."""
        by_content: dict[str, VideoInput] = {}
        found = []
        for entry in inputs:
            self._tell(f"looking at {entry.path.name}")
            try:
                content = video_hash(entry.path)
            except KinemaError as error:
                self._failed(entry, error)
                continue
            except OSError as error:
                self._failed(entry, DataError(f"{entry.path}: cannot be read: {error.strerror or error}"))
                continue
            if content in by_content:
                self.notes.append(f"{entry.name}: the same content as {by_content[content].name}, mined once")
                self.total -= 1
                continue
            by_content[content] = entry
            key = curve_key(content, self.scorer.fingerprint, every=self.every, fps=entry.fps)
            found.append(_Video(entry, content, key))
        return found

    def _finish(self, video: _Video) -> None:
        """Choose a video's clips and have them cut, or draw its curves."""
        curve = video.curve
        assert curve is not None
        video.curve = None  # hours of video are mined in the memory of one
        selection = select_clips(curve, self.rules, self.labels)
        result = MinedVideo(
            video.entry.name,
            video.content,
            curve.end,
            video.reused,
            selection.left_out_short,
            list(curve.problems),
        )
        self.found.append(result)
        try:
            if self.cutter is None:
                self._draw(video, curve, selection, result)
            else:
                job = CutJob(video.entry.path, video.entry.fps, curve.shots, video.word)
                self.cutter.cut(job, selection.clips, result)
                self.cutter.take_in()
        except DataError as error:  # not KinemaError: a full disk would meet all that follow
            result.error = str(error)
        self._tell(video.entry.path.name)

    def _write(self) -> Path:
        """Write the manifest, and the record of what was done."""
        rows = [
            manifest_row(result, *clip, self.scorer.fingerprint)
            for result in self.found
            for clip in result.clips
        ]
        path = self.folder / MANIFEST
        contents = {result.content for result in self.found}
        if note := passed_over(self.folder, rows, contents):
            self.notes.append(note)
        merged_table(self.folder, rows, contents).write(path)
        about = {
            "recognizer": {"name": self.scorer.name, "fingerprint": self.scorer.fingerprint},
            "classes": self.scorer.classes,
            "labels": self.labels,
            "every": self.every,
            "rules": asdict(self.rules),
            "videos": [result.to_dict() for result in self.found],
            "notes": self.notes,
        }
        write_json(self.folder / "mining.json", about)
        return path

    def _draw(self, video: _Video, curve: ScoreCurve, selection: Selection, result: MinedVideo) -> None:
        from kinema.mining.clips.drawing import draw_curves, write_curves

        stem = self.folder / "curves" / video.word
        write_curves(stem.with_name(stem.name + ".csv"), curve, self.rules)
        draw_curves(stem.with_name(stem.name + ".png"), curve, self.rules, self.labels, selection)
        result.files = [stem.with_name(stem.name + suffix) for suffix in (".png", ".csv")]
        result.clips = [(clip, "", {}) for clip in selection.clips]

    def _failed(self, entry: VideoInput, error: KinemaError) -> None:
        self.found.append(MinedVideo(entry.name, "", 0.0, False, 0, [], error=str(error)))
        self._tell(entry.path.name)

    def _heard(self, number: int, share: float, name: str) -> None:
        self.shares[number] = share
        self._tell(f"scoring {name}")

    def _tell(self, what: str) -> None:
        if self.progress:
            done = len(self.found) + sum(self.shares.values())
            self.progress(min(done, self.total), self.total, what)


def _wanted(scorer: Scorer, labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        return scorer.actions
    for label in labels:
        if label not in scorer.classes:
            raise UsageError(f"unknown label '{label}'; {closest(label, scorer.classes)}")
    return list(dict.fromkeys(labels))

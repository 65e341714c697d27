"""Reads KTH: `personNN_ACTION_dM_uncomp.avi`, and the ranges and subjects of `00sequences.txt`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from kinema.data.groups import assign_groups
from kinema.data.manifest import NOT_THERE, Absent, Manifest
from kinema.data.readers.lists import VideoFiles, absent_note, none_there, some_videos, unlisted_note
from kinema.data.readers.registry import register_reader
from kinema.data.readers.text import list_lines
from kinema.data.wording import count, listing
from kinema.errors import DataError
from kinema.video import open_source

LIST = "00sequences.txt"
FPS = 25.0  # of all 599 videos; the ranges count frames from 1

# Schuldt, Laptev and Caputo, "Recognizing human actions: a local SVM approach", ICPR 2004, as 00sequences.txt
# repeats it; used where the list is absent or has lost these lines.
SUBJECTS = {
    "train": (11, 12, 13, 14, 15, 16, 17, 18),
    "valid": (19, 20, 21, 23, 24, 25, 1, 4),
    "test": (22, 2, 3, 5, 6, 7, 8, 9, 10),
}
_ACTIONS = "boxing|handclapping|handwaving|jogging|running|walking"
_VIDEO = rf"person(\d\d)_({_ACTIONS})_(d[1-4])"
_SPLITS = {"training": "train", "validation": "valid", "test": "test"}


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A video of the list; `ranges` are (first, last) frame, None where the list says *missing*."""

    name: str
    subject: int
    action: str
    scenario: str
    ranges: list[tuple[int, int]] | None
    line: int


@dataclass
class _Faults:
    """What of the list was changed, for the notes; `left_out` are whole ranges."""

    source: str
    overlaps: list[str] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    left_out: list[Absent] = field(default_factory=list)

    def leave_out(self, sequence: _Sequence, video: Path, why: str) -> None:
        self.left_out.append(Absent(f"{self.source} line {sequence.line}", video.name, sequence.action, why))


def _recognises(path: Path) -> bool:
    if path.is_file():
        return path.name.lower() == LIST
    # Without the list only KTH's own "_uncomp" tells, which nobody else writes.
    return (path / LIST).is_file() or any(
        re.fullmatch(_VIDEO + r"_uncomp\.avi", name.rpartition("/")[2]) for name in some_videos(path)
    )


@register_reader("KTH", "personNN_ACTION_dM_uncomp.avi, and 00sequences.txt", _recognises, rank=32)
def read_kth(path: Path, videos: Path | None = None) -> Manifest:
    """Read KTH (Schuldt et al., ICPR 2004): each range of frames that `00sequences.txt` lists is a segment.

    The frames `first-last` of a range, counted from 1, both included, at 25 frames a second, become the
    seconds from (first - 1) / 25 to last / 25. Splits are the official ones by subject, as the list gives
    them; the group is the subject; columns `subject` and `scenario` (d1 outdoors, d2 scales, d3 clothes, d4
    indoors) are added. Videos are looked for in `videos`, or else beside the list and below.

    The published list is not free of slips, which the notes name: where two ranges overlap the later one
    begins after the earlier ends, so that no frame counts twice (this is what the slips `212-456` after
    `207-311` mean); a range past the end of its video ends with it, one that begins there is left out.
    Without the list each video is one segment.

    Raises `DataError`, with file and line, for a list that cannot be read so, and when no video is there.
    """
    file = path if path.is_file() else path / LIST
    files = VideoFiles(videos or file.parent)
    sequences, splits, notes = _read_list(file) if file.is_file() else _without_list(files)
    split_of = {subject: split for split, subjects in splits.items() for subject in subjects}
    rows: list[dict[str, object]] = []
    absent: list[Absent] = []
    used: set[str | None] = set()
    faults = _Faults(file.name)
    listed = [sequence for sequence in sequences if sequence.ranges is not None]
    for sequence in listed:
        found = [*files.of_stem(f"{sequence.name}_uncomp"), *files.of_stem(sequence.name)]
        if not found:
            name = f"{sequence.name}_uncomp.avi"
            absent.append(Absent(f"{file.name} line {sequence.line}", name, sequence.action, NOT_THERE))
            continue
        used.add(found[0])
        for first, last in _ranges(sequence, files.root / found[0], faults):
            rows.append(
                {
                    "video": found[0],
                    "start": None if last is None else (first - 1) / FPS,
                    "end": None if last is None else last / FPS,
                    "label": sequence.action,
                    "split": split_of.get(sequence.subject),
                    "group": f"person{sequence.subject:02d}",
                    "subject": f"person{sequence.subject:02d}",
                    "scenario": sequence.scenario,
                }
            )
    if used and not rows:
        raise DataError(f"{file}: no listed range lies inside its video: {listing(faults.beyond, 3)}")
    if not rows:
        raise none_there(str(file if file.is_file() else path), len(listed), files)
    there = len(listed) - len(absent)
    said = [
        f"KTH: {count(len(rows), 'segment')} of {count(there, 'video')}; {count(len(listed), 'video')} listed"
    ]
    if absent:
        said.append(absent_note(absent, {str(row["label"]) for row in rows}))
    gone = [sequence.name for sequence in sequences if sequence.ranges is None]
    if gone:
        said.append(f"the list itself says that {count(len(gone), 'video')} never existed: {listing(gone)}")
    said += ["groups: the subject", *notes, *_said(faults), *unlisted_note(files, used)]
    strangers = {str(row["subject"]) for row in rows if row["split"] is None}
    if strangers:
        said.append(f"in no split, being in no list of subjects: {listing(sorted(strangers))}")
    absent += faults.left_out
    return assign_groups(Manifest(pd.DataFrame(rows), files.root, notes=said, absent=absent))


def _read_list(file: Path) -> tuple[list[_Sequence], dict[str, tuple[int, ...]], list[str]]:
    sequences: dict[str, _Sequence] = {}
    splits: dict[str, tuple[int, ...]] = {}
    for line, text in list_lines(file):
        if match := re.match(r"(training|validation|test)\s*:(.*)", text, re.IGNORECASE):
            subjects = tuple(int(number) for number in re.findall(r"\d+", match[2]))
            twice = [n for taken in splits.values() for n in taken if n in subjects]
            if twice:
                what = f"the subject {twice[0]} is in another split too"
                raise DataError(f"{file}: line {line}: {what}; remove it from one of them")
            splits[_SPLITS[match[1].lower()]] = subjects
        elif match := re.match(r"person\d", text, re.IGNORECASE):
            sequence = _sequence(file, line, text)
            if sequence.name in sequences:
                before = sequences[sequence.name].line
                raise DataError(f"{file}: line {line}: {sequence.name} is in line {before} too; remove one")
            sequences[sequence.name] = sequence
    if not sequences:
        raise DataError(f"{file}: no line 'personNN_ACTION_dM frames 1-95, …'; get the official {LIST}")
    notes = []
    if set(splits) != set(SUBJECTS):
        notes.append(
            f"{file.name} has lost the subjects of the splits; those of Schuldt et al. 2004 are used"
        )
        splits = dict(SUBJECTS)
    return list(sequences.values()), splits, notes


def _sequence(file: Path, line: int, text: str) -> _Sequence:
    where = f"{file}: line {line}"
    match = re.fullmatch(r"person(\d+)_(\w+?)_(d\d+)(?:_uncomp)?(?:\.avi)?\s+(?:frames\s+)?(.+)", text)
    if not match:
        raise DataError(f"{where} is not 'personNN_ACTION_dM frames FIRST-LAST, …': {text!r}")
    ranges: list[tuple[int, int]] = []
    missing = re.fullmatch(r"\*?\s*missing\s*\*?", match[4], re.IGNORECASE)
    if not missing:
        for part in match[4].rstrip(" ,;").split(","):
            numbers = re.fullmatch(r"\s*(-?\d+)\s*-\s*(-?\d+)\s*", part)
            if not numbers:
                raise DataError(f"{where}: '{part.strip()}' is not a range of frames such as 1-95")
            first, last = int(numbers[1]), int(numbers[2])
            if first < 1 or last < first:
                what = "starts before frame 1" if first < 1 else "ends before it starts"
                raise DataError(f"{where}: the range {part.strip()} {what}; frames count from 1")
            ranges.append((first, last))
    name = f"person{int(match[1]):02d}_{match[2]}_{match[3]}"
    return _Sequence(name, int(match[1]), match[2], match[3], None if missing else ranges, line)


def _without_list(
    files: VideoFiles,
) -> tuple[list[_Sequence], dict[str, tuple[int, ...]], list[str]]:
    sequences = {}
    for path in files.paths:
        match = re.match(_VIDEO, path.rpartition("/")[2])
        if match:
            sequences[match[0]] = _Sequence(match[0], int(match[1]), match[2], match[3], [], 0)
    note = f"{LIST} is absent: each video is one segment, the splits are those of Schuldt et al. 2004"
    return list(sequences.values()), dict(SUBJECTS), [note]


def _ranges(sequence: _Sequence, video: Path, faults: _Faults) -> list[tuple[int, int | None]]:
    """Return the ranges in the order of time, cut so that none overlaps another or passes the end."""
    if not sequence.ranges:
        return [(1, None)]
    frames = _frame_count(video)
    if frames is None:
        faults.unreadable.append(sequence.name)
    kept: list[tuple[int, int | None]] = []
    before = 0
    for first, last in sorted(sequence.ranges):
        name = f"{sequence.name} {first}-{last} (line {sequence.line})"
        if frames is not None and first > frames:
            faults.beyond.append(f"{name} of {frames}")
            faults.leave_out(sequence, video, f"the range {first}-{last} is past the end, frame {frames}")
            continue
        if first <= before:
            faults.overlaps.append(name)
        begin, before = max(first, before + 1), max(before, last)
        if begin > last or (frames is not None and begin > frames):
            faults.leave_out(sequence, video, f"the range {first}-{last} lies inside an earlier one")
            continue
        if frames is not None and last > frames:
            faults.clipped.append(f"{name} at {frames}")
        kept.append((begin, last if frames is None else min(last, frames)))
    return kept


def _frame_count(video: Path) -> int | None:
    try:
        with open_source(video) as source:
            seconds, fps = source.duration, source.fps
            return source.frame_count or (round(seconds * fps) if seconds and fps else None)
    except DataError:
        return None


def _said(faults: _Faults) -> list[str]:
    notes = []
    if faults.overlaps:
        what = count(len(faults.overlaps), "range")
        notes.append(
            f"{what} overlapping an earlier one, begun after it or left out: {listing(faults.overlaps, 8)}"
        )
    if faults.clipped:
        what = count(len(faults.clipped), "range")
        notes.append(f"{what} past the end of the video, cut there: {listing(faults.clipped, 8)}")
    if faults.beyond:
        what = count(len(faults.beyond), "range")
        notes.append(f"{what} wholly past the end of the video, left out: {listing(faults.beyond, 8)}")
    if faults.unreadable:
        what = count(len(faults.unreadable), "video")
        notes.append(f"{what} cannot be opened, the ranges are as listed: {listing(faults.unreadable, 8)}")
    return notes

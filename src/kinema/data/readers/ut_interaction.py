"""Reads UT-Interaction's segmented clips by their names."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.readers.lists import VideoFiles, slug, some_videos
from kinema.data.readers.registry import register_reader
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError

ACTIONS = ("hand_shaking", "hugging", "kicking", "pointing", "punching", "pushing")
_CLIP = r"set(?P<set>\d+)_seq(?P<sequence>\d+)_(?P<id>\d+)_(?P<action>[0-5])"
# The official archives: segmented_setS/ID_SEQUENCE_ACTION.avi
_OFFICIAL_CLIP = r"(?P<id>\d+)_(?P<sequence>\d+)_(?P<action>[0-5])"
_OFFICIAL_FOLDER = r"(?:ut-interaction_)?segmented_set(?P<set>[12])"


def _clip(path: str) -> tuple[str, str, int] | None:
    """Return set, sequence ("set1_seq04") and number of the action; None for any other name."""
    parts = PurePosixPath(path).parts
    stem = PurePosixPath(path).stem
    if match := re.fullmatch(_CLIP, stem, re.IGNORECASE):
        return f"set{int(match['set'])}", _sequence(match["set"], match["sequence"]), int(match["action"])
    folders = (re.fullmatch(_OFFICIAL_FOLDER, part, re.IGNORECASE) for part in reversed(parts[:-1]))
    folder = next((found for found in folders if found), None)
    if folder and (match := re.fullmatch(_OFFICIAL_CLIP, stem)):
        return f"set{folder['set']}", _sequence(folder["set"], match["sequence"]), int(match["action"])
    return None


def _sequence(number: str, sequence: str) -> str:
    return f"set{int(number)}_seq{int(sequence):02d}"


def _above(path: Path) -> str:
    # The folder itself may be the one whose name tells the set.
    name = path.absolute().name
    return f"{name}/" if re.fullmatch(_OFFICIAL_FOLDER, name, re.IGNORECASE) else ""


def _recognises(path: Path) -> bool:
    names = some_videos(path)
    clips = sum(_clip(_above(path) + name) is not None for name in names)
    # Other clips among them are left out when read as this set, so they must be few.
    return clips > 0.8 * len(names)


@register_reader("UT-Interaction", "setS_seqNN_ID_ACTION.avi, in class folders or not", _recognises, rank=34)
def read_ut_interaction(path: Path) -> Manifest:
    """Read the segmented clips of UT-Interaction (Ryoo and Aggarwal, ICPR 2010 contest SDHA).

    Names are `setS_seqNN_ID_ACTION.avi`, or `segmented_setS/ID_NN_ACTION.avi` as the official archives have
    them; ACTION counts from 0: hand shaking, hugging, kicking, pointing, punching, pushing. The class is the
    folder where clips lie in class folders, else the name of the number. The group is the sequence; a column
    `set` is added. Its protocol leaves one sequence out at a time, a set at a time, so there are no splits.

    Raises `DataError` when no name is of this kind.
    """
    files = VideoFiles(path)
    names = sorted(files.paths, key=natural_key)
    clips = {name: clip for name in names if (clip := _clip(_above(path) + name))}
    if not clips:
        raise DataError(f"{path}: no video is named setS_seqNN_ID_ACTION.avi; is this UT-Interaction?")
    labels = _labels(clips)
    rows = [
        (name, label, sequence, part)
        for label, (name, (part, sequence, _)) in zip(labels, clips.items(), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["video", "label", "group", "set"], dtype=object)
    sets = listing(sorted(set(table["set"])))
    notes = [
        f"UT-Interaction: {count(len(rows), 'clip')} of {count(table['group'].nunique(), 'sequence')}, {sets}",
        "groups: the sequence; the usual protocol leaves one out at a time, a set at a time",
    ]
    of = pd.DataFrame({"label": labels, "action": [action for _, _, action in clips.values()]})
    mixed = [str(name) for name, part in of.groupby("label") if part["action"].nunique() > 1]
    if mixed:
        notes.append(f"the numbers in the names differ inside {listing(mixed)}; the folder is the class")
    others = [name for name in files.paths if name not in clips]
    if others:
        notes.append(f"skipped: {count(len(others), 'video')} with other names: {listing(others)}")
    return assign_groups(Manifest(table, path, notes=notes))


def _labels(clips: dict[str, tuple[str, str, int]]) -> list[str]:
    parents = [PurePosixPath(name).parent.name for name in clips]
    # The top folder holds all actions, and so do segmented_set1/ and the like.
    if any(name == "" or re.search(r"set_?\d", slug(name)) for name in parents):
        return [ACTIONS[action] for _, _, action in clips.values()]
    return parents

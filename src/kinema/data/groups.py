"""Groups: clips that share a subject or a source video and must stay in one split; and whether they do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from kinema.data.columns import SPLITS
from kinema.data.manifest import Manifest
from kinema.data.wording import count, listing, natural_key
from kinema.errors import KinemaError, UsageError, closest
from kinema.files import content_hash
from kinema.video.remote import address_of, identity

_HMDB_CLASS = (
    r"(?:brush_hair|climb_stairs|draw_sword|fall_floor|flic_flac|kick_ball|ride_bike|ride_horse|shake_hands|"
    r"shoot_ball|shoot_bow|shoot_gun|swing_baseball|sword_exercise|[a-z]+)"
)
_HMDB_TRAITS = r"[fhlu]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:bad|med|goo)_\d+"


@dataclass(frozen=True)
class GroupRule:
    """How one data set writes the source of a clip into its name: the named group `group` of `pattern`.

    The pattern is searched in the file name without its suffix; with `folders`, in the names of its folders
    too.
    """

    name: str
    pattern: str
    example: str
    folders: bool = False


RULES: tuple[GroupRule, ...] = (
    # UCF101: the 25 groups are numbered within each class, so the class is part of the group.
    GroupRule("CLASS_gNN (UCF101)", r"^v_(?P<group>.+_g\d+)_c\d+$", "v_Punch_g01_c03"),
    GroupRule("CLASS_NN (UCF11, UCF50)", r"^v_(?P<group>.+_\d+)_\d+$", "v_shooting_01_02"),
    GroupRule("setN_seqNN (UT-Interaction)", r"(?P<group>set\d+_seq\d+)", "set1_seq04_20_2"),
    GroupRule("PNNN (NTU RGB+D)", r"^S\d{3}C\d{3}(?P<group>P\d{3})R\d{3}A\d{3}", "S001C002P003R002A013_rgb"),
    # HMDB51: everything before the class is the film or video that the clip was cut from.
    GroupRule(
        "film before _CLASS_ (HMDB51)",
        rf"^(?P<group>.+?)_{_HMDB_CLASS}_{_HMDB_TRAITS}$",
        "Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6",
    ),
    GroupRule("video id (Kinetics)", r"^(?P<group>[\w-]{11})_\d{6}_\d{6}$", "--07WQ2iBlw_000001_000011"),
    GroupRule(
        "VIDEO__LABEL__START-END (kinema)", r"^(?P<group>.+)__.+__[\d.]+-[\d.]+$", "long__kick__3.20-8.20"
    ),
    GroupRule(
        "personNN, subjectN (KTH and others)",
        r"(?:^|[^a-z])(?P<group>(?:person|subject|subj|actor|participant|performer|patient|user)[ _-]?\d+)",
        "person09_running_d1_uncomp",
        folders=True,
    ),
    GroupRule("gNN", r"^(?P<group>.*(?:^|[_-])g\d+)(?:[_-]|$)", "kick_g07_2"),
    GroupRule(
        "VIDEO_cNN, VIDEO_clipNN",
        r"^(?P<group>.+)[_-](?:c|clip|seg|segment|part|shot|scene)[_-]?\d+$",
        "match3_clip12",
    ),
)


def name_group(name: str) -> tuple[str, GroupRule] | None:
    """Return the group that a path names, and the rule that found it; None when no rule fits.

    >>> [name_group(f"x/{stem}.avi")[0] for stem in ("v_Punch_g01_c03", "person09_running_d1_uncomp")]
    ['Punch_g01', 'person09']
    """
    path = PurePosixPath(name.replace("\\", "/"))
    for rule in RULES:
        for text in (path.stem, *(reversed(path.parent.parts) if rule.folders else ())):
            if match := re.search(rule.pattern, text, re.IGNORECASE):
                return match["group"], rule
    return None


def assign_groups(
    manifest: Manifest, *, pattern: str | None = None, column: str | None = None, block: int | None = None
) -> Manifest:
    """Return the manifest with every row in a group, and a note that says by which rule.

    Without settings, groups that the table has are kept and the empty ones come from the file names
    (`RULES`). With one, all groups are made anew: `pattern`, a regular expression searched in each path as
    written, its named group `group`, or else its first group, or else the whole match, being the group;
    `column`, another column of the table; `block`, so many neighbours in the numbering of the names (`fi001`
    … `fi010` for 10), for clips that were cut one after the other from unknown sources. Where nothing fits, a
    video is a group of its own.

    Raises `UsageError` for a column that does not exist, a pattern that is no regular expression or fits no
    path.
    """
    if sum(setting is not None for setting in (pattern, column, block)) > 1:
        raise UsageError("groups: give one of pattern, column and block")
    if column is not None:
        return _by_column(manifest, column)
    if pattern is not None:
        find, what = _by_pattern(pattern), f"the pattern {pattern}"
    elif block is not None:
        find, what = _by_block(manifest, block), f"blocks of {block} in the numbering of the names"
    else:
        find, what = _by_rules, "names"
    given = manifest.table["group"].tolist()
    kept = [group if what == "names" else None for group in given]
    names = manifest.table["video"].tolist()
    found = [None if group is not None else find(name) for group, name in zip(kept, names, strict=True)]
    used = Counter(hit[1] for hit in found if hit)
    if pattern is not None and not used:
        raise UsageError(f"groups: {what} fits no path; a path here is '{names[0]}'")
    groups = [
        group if group is not None else hit[0] if hit else own_group(name)
        for group, hit, name in zip(kept, found, names, strict=True)
    ]
    notes = [f"groups: {count(number, 'clip')} by {rule}" for rule, number in used.most_common()]
    alone = sum(group is None and hit is None for group, hit in zip(kept, found, strict=True))
    if alone:
        notes.append(_alone(manifest, alone, len(found)))
    return manifest.replace(manifest.table.assign(group=groups), [*manifest.notes, *notes])


def own_group(name: str) -> str:
    """Return the group of a video that shares its source with no other: its path without the suffix."""
    return str(PurePosixPath(name).with_suffix(""))


def tied_rows(groups: Sequence[str], joins: Iterable[tuple[int, int]]) -> list[str]:
    """Return the group of each row once the groups of the joined rows are one, named by its first in natural order.

    >>> tied_rows(["p10", "p2", "p3", "p10"], [(0, 1)])
    ['p2', 'p2', 'p3', 'p2']
    """
    parent = {group: group for group in groups}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one, other in joins:
        first, second = sorted((root(groups[one]), root(groups[other])), key=natural_key)
        parent[second] = first
    return [root(group) for group in groups]


@dataclass(frozen=True)
class Leak:
    """Something that stands in more than one split: `kind` is "group", "video" or "content"."""

    kind: str
    value: str
    splits: tuple[str, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        what = "the same file content" if self.kind == "content" else f"{self.kind} '{self.value}'"
        also = f" ({self.value})" if self.kind == "content" else ""
        return f"{what} is in {' and '.join(self.splits)}: {count(len(self.rows), 'clip')}{also}"


def check_leaks(manifest: Manifest, *, content: bool = True) -> list[Leak]:
    """Return the groups, the videos and (with `content`) the file contents that stand in more than one split.

    Only files whose size another file shares are read; missing files are passed over.
    """
    leaks = [
        leak for column in ("group", "video") for leak in _divided(manifest, column, manifest.table[column])
    ]
    if content:
        digests = same_content(manifest)
        leaks += _divided(manifest, "content", manifest.table["video"].map(digests))
    return leaks


def same_content(manifest: Manifest) -> dict[str, str]:
    """Return the content hash of each video file, by its name in the table, that has the size of another.

    Of a stored video it is what its store says of the content (`kinema.video.remote.identity`).
    """
    found: dict[str, str] = {}
    sizes: dict[int, list[str]] = {}
    for name in sorted(manifest.table["video"].unique(), key=natural_key):
        path = manifest.video_path(name)
        if address_of(path):
            with suppress(KinemaError):  # `check` says what is wrong with it
                found[name] = identity(path)
        elif path.is_file() and (size := path.stat().st_size):
            sizes.setdefault(size, []).append(name)
    for names in (names for names in sizes.values() if len(names) > 1):
        for name in names:
            try:
                found[name] = content_hash(manifest.video_path(name))
            except OSError:  # unreadable: `check` says so
                continue
    return found


def _divided(manifest: Manifest, kind: str, values: pd.Series) -> list[Leak]:
    table = pd.DataFrame(
        {"value": values, "split": manifest.table["split"], "video": manifest.table["video"]}
    )
    leaks = []
    for value, part in table.dropna(subset=["value", "split"]).groupby("value"):
        splits = tuple(name for name in SPLITS if name in set(part["split"]))
        videos = part["video"].unique().tolist()
        if len(splits) > 1 and (kind != "content" or len(videos) > 1):
            shown = " = ".join(videos[:3]) if kind == "content" else str(value)
            leaks.append(Leak(kind, shown, splits, tuple(part.index.tolist())))
    return sorted(leaks, key=lambda leak: natural_key(leak.value))


def _alone(manifest: Manifest, alone: int, total: int) -> str:
    which = "no name tells" if alone == total else f"the names of {count(alone, 'clip')} do not tell"
    note = f"groups: {which} a source or subject, so each such video is a group of its own"
    stems = [PurePosixPath(name).stem for name in manifest.table["video"]]
    if sum(bool(re.fullmatch(r"\D*\d+", stem)) for stem in stems) > len(stems) / 2:
        note += (
            "; names are numbered: if neighbours share a source, group them in blocks of N (--group-block N)"
        )
    return note


def _by_rules(name: str) -> tuple[str, str] | None:
    hit = name_group(name)
    return None if hit is None else (hit[0], hit[1].name)


def _by_pattern(pattern: str) -> Callable[[str], tuple[str, str] | None]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"groups: '{pattern}' is not a regular expression: {error}") from error

    def find(name: str) -> tuple[str, str] | None:
        match = expression.search(name)
        if match is None:
            return None
        chosen = (
            match["group"]
            if "group" in expression.groupindex
            else match[1]
            if expression.groups
            else match[0]
        )
        return None if not chosen else (chosen, f"the pattern {pattern}")

    return find


def _by_block(manifest: Manifest, size: int) -> Callable[[str], tuple[str, str] | None]:
    if size < 1:
        raise UsageError(f"groups: a block holds at least 1 video, not {size}")

    def find(name: str) -> tuple[str, str] | None:
        match = re.fullmatch(r"(.*?)(\d+)", own_group(name))
        if match is None:
            return None
        first = max(int(match[2]) - 1, 0) // size * size + 1
        width = len(match[2])
        return f"{match[1]}{first:0{width}}-{first + size - 1:0{width}}", f"blocks of {size} in the numbering"

    return find


def _by_column(manifest: Manifest, column: str) -> Manifest:
    if column not in manifest.table.columns:
        raise UsageError(
            f"groups: no column '{column}'; {closest(column, [str(c) for c in manifest.table.columns])}"
        )
    empty = [str(name) for name in manifest.table.loc[_blank(manifest, column), "video"]]
    groups = [
        own_group(name) if blank else value
        for name, value, blank in zip(
            manifest.table["video"], manifest.table[column], _blank(manifest, column), strict=True
        )
    ]
    notes = [f"groups: {count(len(groups) - len(empty), 'clip')} by the column '{column}'"]
    if empty:
        notes.append(f"groups: the column '{column}' is empty for {listing(empty, 3)}: each its own group")
    return manifest.replace(manifest.table.assign(group=groups), [*manifest.notes, *notes])


def _blank(manifest: Manifest, column: str) -> list[bool]:
    values = manifest.table[column]
    return [
        bool(missing) or str(value).strip() == ""
        for value, missing in zip(values, values.isna(), strict=True)
    ]

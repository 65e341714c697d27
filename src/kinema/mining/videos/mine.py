"""From names of actions to a list of candidate videos that downloads take.

The list has the columns of Kinetics' lists (label, youtube_id, time_start, time_end), so that `kinema data fetch
kinetics-400 --lists videos.csv` fetches the videos whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.data.fetch.folder_lock import list_lock
from kinema.data.fetch.pacing import Pacing, StoppedError
from kinema.errors import KinemaError, UsageError
from kinema.mining.images.queries import TEMPLATES, queries_of
from kinema.mining.videos.lists import VideoLists
from kinema.mining.videos.search import Search, SearchError, VideoRules, search_client

if TYPE_CHECKING:
    from kinema.data.fetch.youtube import Client
    from kinema.mining.images.found import Query

Progress = Callable[[int, int, str], None]  # videos kept, videos wanted, what was last


@dataclass(frozen=True, slots=True)
class FoundVideos:
    """What a search has left: videos of each action, how many are new, how long they are, and what was left out."""

    table: Path
    left_out_table: Path
    wanted: int
    counts: dict[str, int]
    new: int
    seconds: float
    left_out: dict[str, int]
    fetchable: bool
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "table": str(self.table),
            "left_out_table": str(self.left_out_table),
            "wanted": self.wanted,
            "counts": self.counts,
            "new": self.new,
            "seconds": self.seconds,
            "left_out": self.left_out,
            "problems": self.problems,
        }


def mine_videos(
    actions: Sequence[str],
    out: Path,
    *,
    per_action: int = 50,
    rules: VideoRules | None = None,
    templates: Sequence[str] = TEMPLATES,
    translations: Mapping[str, Sequence[str]] | None = None,
    site: str = "ytsearch",
    client: Client | None = None,
    pacing: Pacing | None = None,
    rest: float = 1.0,
    progress: Progress | None = None,
) -> FoundVideos:
    """Search for videos of each action and list up to `per_action` of each in `out`; others go to NAME-left-out.csv.

    A video that is found for several actions is listed once, for the action for which it came first. `site` is the
    prefix of a search of yt-dlp (ytsearch, …); `client` a yt-dlp of the caller; `rest` the seconds between two questions.
    Rows of an earlier run stay, are not asked for again, and count; rows that were deleted from both lists come back.

    Raises `UsageError` (also without the download extra, and for a `site` that yt-dlp does not know), `DataError` for an
    `out` that is no such list, and `KinemaError` when the site refuses every search or another run writes the list.
    """
    rules = rules or VideoRules()
    if per_action < 1 or not actions:
        raise UsageError("give at least one action, and 1 or more videos of each")
    if out.suffix.lower() != ".csv":
        raise UsageError(f"{out}: the list is a CSV; give --out NAME.csv")
    queries = [query for action in actions for query in queries_of(action, templates, translations)]
    pacing = pacing or Pacing(1)
    search = Search(client or search_client(pacing), pacing, site, rules, rest)
    with list_lock(out):
        return _look(search, actions, queries, per_action, VideoLists(out), progress)


def _look(
    search: Search,
    actions: Sequence[str],
    queries: Sequence[Query],
    per_action: int,
    lists: VideoLists,
    progress: Progress | None,
) -> FoundVideos:
    problems: list[str] = []
    total = per_action * len(actions)
    say = progress or (lambda kept, wanted, text: None)
    before = len(lists.kept)
    try:
        for query in queries:
            action = query.label
            missing = per_action - lists.count(action)
            if missing <= 0:
                continue
            say(lists.among(actions), total, f"{action}: searching")
            try:
                for row in search.rows(action, query.text, missing, lists):
                    lists.add(row)
                    say(lists.among(actions), total, f"{action}: {row['title']}")
                    if lists.count(action) >= per_action:
                        break
            except SearchError as error:
                problems.append(str(error))
                if error.network and not search.answered:
                    break  # hundreds of names would each wait for a network that is not there
            lists.write()
    except StoppedError:
        pass
    except BaseException:
        if lists.kept or lists.left:
            lists.write()
        raise
    lists.write()
    if search.pacing.gave_up is not None:
        raise search.pacing.gave_up
    counts = {action: lists.count(action) for action in actions}
    if problems and not any(counts.values()):
        raise KinemaError(problems[0])
    mine = [row for row in lists.kept.values() if row["label"] in counts]
    return FoundVideos(
        lists.path,
        lists.left_path,
        per_action,
        counts,
        len(lists.kept) - before,
        sum(float(row["duration"] or 0) for row in mine),
        dict(
            Counter(_word(row["why"]) for row in lists.left.values() if row["label"] in counts).most_common()
        ),
        all(re.fullmatch(r"[A-Za-z0-9_-]{11}", row["youtube_id"]) for row in mine) and bool(mine),
        problems,
    )


def _word(why: str) -> str:
    return why.partition(":")[0]

"""A site's search for videos, asked through yt-dlp; which of what it finds are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from kinema.data.fetch.extra import needs_yt_dlp
from kinema.data.fetch.pacing import Pacing
from kinema.errors import UsageError, closest
from kinema.mining.images.found import one_line
from kinema.mining.videos.lists import VideoLists

if TYPE_CHECKING:
    from kinema.data.fetch.youtube import Client

LICENCES = ("any", "open")

# YouTube's own filter for videos under Creative Commons: type 1 (video) and feature 6, as its search page writes them.
_OPEN_SEARCH = "https://www.youtube.com/results?search_query={query}&sp=EgQQATAB"
_OPEN = re.compile(r"creative commons|\bcc[ -]?(by|0)\b|^by(-|$)|public domain", re.IGNORECASE)
_NOT_OPEN = "not open"
_NO_SEARCH = re.compile(
    r"unsupported url scheme|is not a valid url", re.IGNORECASE
)  # what yt-dlp says of a prefix
_AHEAD = 3  # search results looked at for each video that is wanted, at most


@dataclass(frozen=True, slots=True)
class VideoRules:
    """Which videos are taken: `licence` any or open (Creative Commons, public domain), seconds from least to most."""

    licence: str = "any"
    min_seconds: float = 10.0
    max_seconds: float = 1200.0

    def __post_init__(self) -> None:
        if self.licence not in LICENCES:
            raise UsageError(f"--licence {self.licence}: {closest(self.licence, LICENCES)}")
        if self.min_seconds >= self.max_seconds:
            raise UsageError(
                f"--min-seconds {self.min_seconds:g} must be below --max-seconds {self.max_seconds:g}"
            )


class SearchError(Exception):
    """A search that the site did not answer, in one line; `network`: nothing came of it at all."""

    def __init__(self, reason: str, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network


class Search:
    """One site, asked through yt-dlp; `answered` once it has been heard of."""

    def __init__(self, client: Client, pacing: Pacing, site: str, rules: VideoRules, rest: float) -> None:
        self._client, self.pacing, self._site, self._rules, self._rest = client, pacing, site, rules, rest
        self._questions = 0
        self.answered = False

    def rows(self, label: str, text: str, missing: int, lists: VideoLists) -> Iterator[dict[str, Any]]:
        """Yield a row for each video that nobody knows, with `why` where it is not taken; at most what is worth asking."""
        known = sum(1 for row in (*lists.kept.values(), *lists.left.values()) if row["query"] == text)
        for rank, entry in enumerate(self._entries(text, known + _AHEAD * missing), start=1):
            name = str(entry.get("id") or "")
            if not name or name in lists.kept:
                continue
            row = _row(label, entry, text, rank)
            row["why"] = self._refused(entry, row)
            before = lists.left.get(name, {}).get("why", "")
            if not row["why"] and self._rules.licence == "open":
                if before.startswith(_NOT_OPEN):  # it has been asked
                    continue
                row["licence"], row["why"] = self._licence(row["url"])
            if not (before and row["why"]):  # what other rules have left out may be taken now
                yield row

    def _entries(self, text: str, count: int) -> Iterator[dict[str, Any]]:
        if self._rules.licence == "open" and self._site == "ytsearch":
            address = _OPEN_SEARCH.replace("{query}", quote_plus(text))
        else:
            address = f"{self._site}{count}:{text}"
        self._client.params["playlistend"] = count
        try:
            info = self._asked(address)
        except SearchError as error:
            if not _NO_SEARCH.search(str(error)):
                raise
            info = None
        entries = info.get("entries") if isinstance(info, dict) else None
        if entries is None:
            raise UsageError(
                f"--site {self._site}: no search that yt-dlp knows; give the prefix of one, as ytsearch"
            )
        for entry in entries:
            if isinstance(entry, dict):
                yield entry

    def _licence(self, url: str) -> tuple[str, str]:
        """Return the licence that a video's own page states, and why it is not taken, "" where it is."""
        try:
            info = self._asked(url, process=False) or {}
        except SearchError as error:
            return "", f"no licence: {error}"
        licence = one_line(info.get("license"))
        if _OPEN.search(licence):
            return licence, ""
        return licence, f"{_NOT_OPEN}: {licence or 'no licence stated'}"

    def _asked(self, address: str, process: bool = True) -> Any:
        """Ask yt-dlp, again after each pause that the site wants. Raises `SearchError` and `StoppedError`."""
        from yt_dlp.utils import YoutubeDLError

        from kinema.data.fetch.refusals import Reason, plain, reason_of

        for attempt in range(1, 7):
            if self._questions:
                self.pacing.pause(self._rest)
            self._questions += 1
            self._client.begin()
            asked = self.pacing.wait()
            try:
                info = self._client.extract_info(address, download=False, process=process)
                self.pacing.answered()
                self.answered = True
                return info
            except YoutubeDLError as error:
                limited = self._client.limited is not None
                reason = Reason.RATE if limited else reason_of(error)
                if reason is Reason.RATE and not limited:
                    self.pacing.refused(asked, None, f"the site says: {plain(error)}")
                most = {Reason.RATE: 6 if limited else 3, Reason.NETWORK: 3}.get(reason, 1)
                if attempt == most:
                    raise SearchError(f"{address}: {plain(error)}", reason is Reason.NETWORK) from error
                if reason is Reason.NETWORK:
                    self.pacing.pause(2.0**attempt)
        raise AssertionError("unreachable")

    def _refused(self, entry: Mapping[str, Any], row: Mapping[str, Any]) -> str:
        if entry.get("live_status") in ("is_live", "is_upcoming") or entry.get("is_live"):
            return "live"
        if entry.get("availability") in ("private", "premium_only", "subscriber_only", "needs_auth"):
            return f"not public: {entry['availability']}"
        if not row["duration"]:
            return "no duration"
        if float(row["duration"]) < self._rules.min_seconds:
            return f"too short: {row['duration']} s"
        if float(row["duration"]) > self._rules.max_seconds:
            return f"too long: {row['duration']} s"
        return ""


def _row(label: str, entry: Mapping[str, Any], query: str, rank: int) -> dict[str, Any]:
    try:
        seconds = float(entry.get("duration") or 0)
    except (TypeError, ValueError):
        seconds = 0.0
    name = str(entry["id"])
    return {
        "label": label,
        "youtube_id": name,
        "time_start": 0,
        "time_end": int(seconds),
        "title": one_line(entry.get("title")),
        "duration": f"{seconds:g}" if seconds else "",
        "licence": one_line(entry.get("license")),
        "author": one_line(entry.get("channel") or entry.get("uploader")),
        "url": one_line(entry.get("url") or entry.get("webpage_url")),
        "query": query,
        "rank": rank,
    }


def search_client(pacing: Pacing) -> Client:
    """Return a yt-dlp that searches and downloads nothing. Raises `UsageError` without the download extra."""
    with needs_yt_dlp("videos are searched"):
        from kinema.data.fetch.youtube import Client
    from kinema.files import cache_folder

    options = {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "extract_flat": "in_playlist",
        "skip_download": True,
        "ignore_no_formats_error": True,
        "socket_timeout": 30.0,
        "retries": 2,
        "extractor_retries": 1,
        "cachedir": str(cache_folder() / "yt-dlp"),
    }
    return Client(pacing, options, "the site")

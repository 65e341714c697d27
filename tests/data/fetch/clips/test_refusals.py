"""Why a video cannot be had: statuses, the sentences of the site, and what its player answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import HTTPError

from kinema.data.fetch.pacing import Pacing
from kinema.data.fetch.refusals import ClipError, Reason, plain, reason_of_status, reason_of_text
from kinema.data.fetch.youtube import Site

pytest.importorskip("yt_dlp", reason="needs the download extra")


# The sentences that YouTube's player gives and yt-dlp prints, as its issues quote them.
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "ERROR: [youtube] a: Private video. Sign in if you've been granted access to this video. Use "
            "--cookies-from-browser or --cookies for the authentication.",
            Reason.PRIVATE,
        ),
        (
            "ERROR: [youtube] Cblh2cCXp44: This video is private. If the owner of this video has granted you "
            "access, please sign in.",
            Reason.PRIVATE,
        ),
        (
            "ERROR: [youtube] a: Video unavailable. This video has been removed by the uploader",
            Reason.REMOVED,
        ),
        (
            "ERROR: [youtube] a: Video unavailable. This video is no longer available because the YouTube account "
            "associated with this video has been terminated.",
            Reason.REMOVED,
        ),
        (
            "ERROR: [youtube] a: Video unavailable. This video is no longer available due to a copyright claim by X",
            Reason.REMOVED,
        ),
        ("ERROR: [youtube] a: Video unavailable. This content isn’t available.", Reason.REMOVED),
        ("ERROR: [youtube] XyHm0BmtLHg: Video unavailable", Reason.REMOVED),
        (
            "ERROR: [youtube] 5M-oyVRI4fA: The uploader has not made this video available in your country",
            Reason.COUNTRY,
        ),
        (
            "ERROR: [youtube] a: Video unavailable. This video contains content from SME, who has blocked it in "
            "your country on copyright grounds",
            Reason.COUNTRY,
        ),
        (
            "ERROR: [youtube] a: Sign in to confirm your age. This video may be inappropriate for some users. Use "
            "--cookies-from-browser or --cookies for the authentication.",
            Reason.AGE,
        ),
        (
            "ERROR: [youtube] a: Join this channel to get access to members-only content like this video, and "
            "other exclusive perks.",
            Reason.PAID,
        ),
        (
            "ERROR: [youtube] a: Sign in to confirm you’re not a bot. Use --cookies-from-browser or --cookies "
            "for the authentication.",
            Reason.RATE,
        ),
        (
            "ERROR: [youtube] a: This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour.",
            Reason.RATE,
        ),
        (
            "ERROR: [youtube] a: Unable to download API page: HTTP Error 429: Too Many Requests (caused by "
            "<HTTPError 429: Too Many Requests>)",
            Reason.RATE,
        ),
        ("ERROR: unable to download video data: HTTP Error 403: Forbidden", Reason.REFUSED),
        (
            "ERROR: [youtube] a: Requested format is not available. Use --list-formats for a list of available formats",
            Reason.FORMAT,
        ),
        ("ERROR: [youtube] a: Unable to download API page: The read operation timed out", Reason.NETWORK),
        ("ERROR: [generic] a: a sentence that nobody knows", Reason.OTHER),
    ],
)
def test_the_sentences_of_the_site_are_told_apart(text: str, reason: Reason) -> None:
    assert reason_of_text(text) is reason


@pytest.mark.parametrize(
    ("status", "retry_after", "reason"),
    [
        (401, None, "private"),
        (403, None, "refused"),
        (404, None, "removed"),
        (410, None, "removed"),
        (429, None, "rate limited"),
        (451, None, "unavailable in this country"),
        (500, None, "network"),
        (503, None, "network"),
        (503, 7.0, "rate limited"),
    ],
)
def test_statuses_are_told_apart(status: int, retry_after: float | None, reason: str) -> None:
    assert str(reason_of_status(status, retry_after)) == reason


def test_what_lasts_is_not_what_passes() -> None:
    lasting = {reason.value for reason in Reason if reason.permanent}
    assert lasting == {
        "private",
        "removed",
        "unavailable in this country",
        "age-restricted",
        "members only or paid",
        "too short",
    }
    assert Reason.of_text("age-restricted: Sign in to confirm your age") is Reason.AGE
    assert Reason.of_text("a reason of another program") is None


def test_messages_become_one_plain_line() -> None:
    said = (
        "ERROR: [youtube] a-b: Private video\n. Use --cookies for the authentication. See https://example.org"
    )
    assert plain(said) == "Private video"
    assert (
        plain("\x1b[0;31mERROR:\x1b[0m it broke; please report this issue on https://example.org")
        == "it broke"
    )


def _player(status: str, reason: str, more: str | None = None) -> dict[str, Any]:
    playability: dict[str, Any] = {"status": status, "reason": reason}
    if more:
        texts = {"reason": {"simpleText": reason}, "subreason": {"simpleText": more}}
        playability["errorScreen"] = {"playerErrorMessageRenderer": texts}
    return {"playabilityStatus": playability, "videoDetails": {"videoId": "dQw4w9WgXcQ", "title": "x"}}


@pytest.mark.parametrize(
    ("player", "reason"),
    [
        (
            _player("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"),
            "private: Private video. Sign in if you've been granted access to this video",
        ),
        (
            _player("ERROR", "Video unavailable", "This video has been removed by the uploader"),
            "removed: Video unavailable. This video has been removed by the uploader",
        ),
        (
            _player(
                "UNPLAYABLE",
                "Video unavailable",
                "The uploader has not made this video available in your country",
            ),
            "unavailable in this country: The uploader has not made this video available in your country",
        ),
        (_player("LOGIN_REQUIRED", "Sign in to confirm your age"), "age-restricted: "),
        (_player("LOGIN_REQUIRED", "Sign in to confirm you’re not a bot"), "rate limited: "),
        (None, "rate limited: HTTP 429 Too Many Requests, Retry-After 0 s"),
    ],
)
def test_yt_dlp_on_what_the_player_of_youtube_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, player: dict[str, Any] | None, reason: str
) -> None:
    """The real extractor runs; only the wire is replaced, by what YouTube's player sends for such videos."""

    def urlopen(self: YoutubeDL, request: Any) -> Response:
        url = request if isinstance(request, str) else request.url
        headers = {"Content-Type": "application/json", "Retry-After": "0"}
        if "/youtubei/v1/player" not in url:
            return Response(io.BytesIO(b"<html></html>"), url, {"Content-Type": "text/html"})
        body = io.BytesIO(json.dumps(player).encode())
        if player is None:
            raise HTTPError(Response(body, url, headers, status=429))
        return Response(body, url, headers)

    monkeypatch.setattr(YoutubeDL, "urlopen", urlopen)
    pacing = Pacing(1, first_wait=0.01, most_refusals=99)
    site = Site(pacing, tmp_path / ".partial", rest=0.01)
    with pytest.raises(ClipError) as caught:
        site.fetch("dQw4w9WgXcQ", 1, 2, tmp_path / "clip.mp4")
    assert str(caught.value).startswith(reason)
    assert pacing.refusals == (6 if reason.startswith("rate") else 0)


def test_a_limit_on_the_way_does_not_hide_why_a_video_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    player = _player("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video")

    def urlopen(self: YoutubeDL, request: Any) -> Response:
        url = request if isinstance(request, str) else request.url
        if "/watch?" in url:
            raise HTTPError(Response(io.BytesIO(b""), url, {"Retry-After": "0"}, status=429))
        return Response(io.BytesIO(json.dumps(player).encode()), url, {"Content-Type": "application/json"})

    monkeypatch.setattr(YoutubeDL, "urlopen", urlopen)
    pacing = Pacing(1, first_wait=0.01)
    with pytest.raises(ClipError, match="private: Private video"):
        Site(pacing, tmp_path / ".partial").fetch("dQw4w9WgXcQ", 1, 2, tmp_path / "clip.mp4")
    assert pacing.refusals == 1

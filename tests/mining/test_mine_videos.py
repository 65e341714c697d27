"""Videos for names of actions, through yt-dlp and a search of the test's own on a server of this machine."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from kinema.cli.app import run
from kinema.data.fetch.folder_lock import list_lock
from kinema.data.fetch.pacing import Pacing
from kinema.errors import DataError, KinemaError, UsageError
from kinema.mining.videos import FoundVideos, VideoRules, mine_videos
from kinema.mining.videos.search import search_client

pytest.importorskip("yt_dlp", reason="needs kinema[download]")

PLUGIN = """
from yt_dlp.extractor.common import InfoExtractor, SearchInfoExtractor


class FakeSearchIE(SearchInfoExtractor):
    IE_NAME = 'fake:search'
    _SEARCH_KEY = 'fakesearch'

    def _search_results(self, query):
        import os
        address = os.environ['FAKE_SITE']
        number = 0
        while True:
            number += 1
            page = self._download_json(f'{address}/search', query, query={'q': query, 'page': number})
            for one in page:
                yield self.url_result(f"{address}/watch?v={one['id']}", 'Fake', one['id'], one['title'],
                                      **{name: one.get(name) for name in ('duration', 'channel', 'live_status')})
            if not page:
                return


class FakeIE(InfoExtractor):
    _VALID_URL = r'http://127[.]0[.]0[.]1:[0-9]+/watch[?]v=(?P<id>[0-9A-Za-z_-]{11})'

    def _real_extract(self, url):
        name = self._match_id(url)
        about = self._download_json(url.replace('/watch', '/about'), name)
        return {'id': name, 'title': about['title'], 'license': about.get('license'), 'duration': about['duration'],
                'url': url.replace('/watch?v=', '/media/') + '.mp4', 'ext': 'mp4'}
"""


@dataclass
class VideoSite:
    """Searches by their words, in pages of three; `about` what each video's own page states."""

    url: str = ""
    searches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)
    media: dict[str, bytes] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        self.requests.append(target)
        parts = urlsplit(target)
        words = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return status, headers, b""
        if parts.path == "/search":
            start = 3 * (int(words["page"]) - 1)
            return 200, {}, json.dumps(self.searches.get(words["q"], [])[start : start + 3]).encode()
        if parts.path == "/about":
            one = next(v for found in self.searches.values() for v in found if v["id"] == words["v"])
            return 200, {}, json.dumps({**one, "license": self.licences.get(words["v"])}).encode()
        if parts.path.removeprefix("/media/") in self.media:
            return 200, {"Content-Type": "video/mp4"}, self.media[parts.path.removeprefix("/media/")]
        return 404, {}, b""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[VideoSite]:
    site = VideoSite()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            status, headers, body = site.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    site.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    monkeypatch.setenv("FAKE_SITE", site.url)
    yield site
    httpd.shutdown()
    httpd.server_close()


def _video(name: str, title: str, duration: float | None = 60, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": title, "duration": duration, "channel": "Ada", **more}


@pytest.fixture
def filled(site: VideoSite) -> VideoSite:
    site.searches = {
        "waving": [
            _video("wave0000001", "Waving\n at  people", 95),
            _video("wave0000002", "A wave", 5),
            _video("wave0000003", "Waves for ten hours", 36000),
            _video("wave0000004", "Waving now", None, live_status="is_live"),
            _video("wave0000005", "Waving, again", 61.5),
            _video("both0000001", "Waving while jumping", 30),
            _video("wave0000006", "Waving six", 40),
        ],
        "jumping": [_video("both0000001", "Waving while jumping", 30), _video("jump0000001", "Jumping", 20)],
    }
    return site


def _mine(out: Path, actions: list[str], **options: Any) -> FoundVideos:
    """Mine with the fake search, which stands before all others."""
    pacing = Pacing(1, first_wait=0.05)
    client = search_client(pacing)
    space: dict[str, Any] = {}
    exec(PLUGIN, space)
    own = {kind.ie_key(): kind(client) for kind in (space["FakeSearchIE"], space["FakeIE"])}
    for extractor in own.values():
        client.add_info_extractor(extractor)
    client._ies = {**own, **client._ies}
    return mine_videos(actions, out, site="fakesearch", client=client, pacing=pacing, rest=0.0, **options)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_titles_durations_and_what_is_left_out(filled: VideoSite, tmp_path: Path) -> None:
    found = _mine(tmp_path / "videos.csv", ["waving", "jumping"], per_action=3)

    assert found.counts == {"waving": 3, "jumping": 1}
    assert found.left_out == {"too short": 1, "too long": 1, "live": 1}
    assert found.seconds == 95 + 61.5 + 30 + 20
    rows = _rows(found.table)
    assert [row["youtube_id"] for row in rows] == ["wave0000001", "wave0000005", "both0000001", "jump0000001"]
    assert rows[0] == {
        "label": "waving", "youtube_id": "wave0000001", "time_start": "0", "time_end": "95",
        "title": "Waving at people", "duration": "95", "licence": "", "author": "Ada",
        "url": f"{filled.url}/watch?v=wave0000001", "query": "waving", "rank": "1",
    }  # fmt: skip
    assert rows[1]["time_end"] == "61" and rows[1]["duration"] == "61.5"
    assert [row["why"] for row in _rows(found.left_out_table)] == [
        "too short: 5 s",
        "too long: 36000 s",
        "live",
    ]


def test_a_second_run_asks_only_for_what_is_missing(filled: VideoSite, tmp_path: Path) -> None:
    _mine(tmp_path / "videos.csv", ["waving"], per_action=2)
    before = len(filled.requests)
    same = _mine(tmp_path / "videos.csv", ["waving"], per_action=2)
    assert len(filled.requests) == before and same.new == 0

    more = _mine(tmp_path / "videos.csv", ["waving"], per_action=4)

    assert more.counts == {"waving": 4} and more.new == 2
    assert len({row["youtube_id"] for row in _rows(more.table)}) == 4


def test_open_licences_are_asked_of_each_video(filled: VideoSite, tmp_path: Path) -> None:
    filled.licences = {
        "wave0000001": "Creative Commons Attribution license (reuse allowed)",
        "wave0000005": "Standard YouTube License",
        "wave0000006": "Public Domain",
    }
    found = _mine(tmp_path / "v.csv", ["waving"], rules=VideoRules(licence="open"), per_action=5)

    assert [(row["youtube_id"], row["licence"]) for row in _rows(found.table)] == [
        ("wave0000001", "Creative Commons Attribution license (reuse allowed)"),
        ("wave0000006", "Public Domain"),
    ]
    why = {row["youtube_id"]: row["why"] for row in _rows(found.left_out_table)}
    assert why["wave0000005"] == "not open: Standard YouTube License"
    assert why["both0000001"] == "not open: no licence stated"
    # What is too short or too long is not even looked at.
    assert sorted(path for path in filled.requests if path.startswith("/about")) == [
        f"/about?v={name}" for name in ("both0000001", "wave0000001", "wave0000005", "wave0000006")
    ]


def test_other_rules_look_again(filled: VideoSite, tmp_path: Path) -> None:
    filled.licences = {"wave0000006": "CC BY 4.0"}
    first = _mine(tmp_path / "v.csv", ["waving"], rules=VideoRules(licence="open"), per_action=9)
    asked = sum(path.startswith("/about") for path in filled.requests)
    again = _mine(tmp_path / "v.csv", ["waving"], rules=VideoRules(licence="open"), per_action=9)
    assert first.counts == again.counts == {"waving": 1}
    assert sum(path.startswith("/about") for path in filled.requests) == asked

    found = _mine(tmp_path / "v.csv", ["waving"], rules=VideoRules(min_seconds=3), per_action=9)

    assert found.counts == {"waving": 5} and found.left_out == {"too long": 1, "live": 1}
    assert len(_rows(found.left_out_table)) == 2


def test_templates_and_translations(filled: VideoSite, tmp_path: Path) -> None:
    filled.searches |= {
        "waving person": [_video("pers0000001", "A person waves")],
        "winken": [_video("wink0000001", "Winken")],
    }
    found = _mine(
        tmp_path / "v.csv", ["waving"], per_action=9,
        templates=["NAME person", "NAME"], translations={"waving": ["winken"]},
    )  # fmt: skip

    assert [row["query"] for row in _rows(found.table)] == ["waving person"] + ["waving"] * 4 + ["winken"]
    assert found.counts == {"waving": 6}


def test_pauses_that_the_site_asks_for(filled: VideoSite, tmp_path: Path) -> None:
    filled.refusals = [(429, {"Retry-After": "1"}), (503, {"Retry-After": "0"})]

    assert _mine(tmp_path / "v.csv", ["waving"], per_action=1).counts == {"waving": 1}


def test_searches_that_fail(filled: VideoSite, tmp_path: Path) -> None:
    filled.refusals = [(404, {})]
    found = _mine(tmp_path / "v.csv", ["waving", "jumping"], per_action=2)
    assert found.counts == {"waving": 0, "jumping": 2} and "fakesearch6:waving" in found.problems[0]

    filled.refusals = [(404, {})] * 9
    with pytest.raises(KinemaError, match=r"fakesearch6:waving: .*404"):
        _mine(tmp_path / "w.csv", ["waving", "jumping"], per_action=2)


def test_without_network_only_the_first_name_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setenv("FAKE_SITE", "http://127.0.0.1:9")
    monkeypatch.setattr(Pacing, "pause", lambda self, seconds: waits.append(seconds))

    with pytest.raises(KinemaError, match=r"fakesearch150:waving: .*refused"):
        _mine(tmp_path / "v.csv", ["waving", "jumping", "running"])

    assert [wait for wait in waits if wait] == [2.0, 4.0]


def test_two_searches_do_not_write_one_list(filled: VideoSite, tmp_path: Path) -> None:
    with (
        list_lock(tmp_path / "videos.csv"),
        pytest.raises(KinemaError, match=r"videos\.csv: another kinema writes this list; wait for it"),
    ):
        _mine(tmp_path / "videos.csv", ["waving"], per_action=3)
    assert _mine(tmp_path / "videos.csv", ["waving"], per_action=3).new == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["videos-left-out.csv", "videos.csv"]


def test_titles_that_are_no_unicode(site: VideoSite, tmp_path: Path) -> None:
    site.searches = {"waving": [_video("wave0000001", "A \ud83d wave", channel="\udce9")]}

    found = _mine(tmp_path / "v.csv", ["waving"])

    assert [(row["title"], row["author"]) for row in _rows(found.table)] == [("A ? wave", "?")]


def test_lists_that_went_through_a_spreadsheet(filled: VideoSite, tmp_path: Path) -> None:
    table = tmp_path / "v.csv"
    _mine(table, ["waving"], per_action=2)
    text = table.read_text()

    table.write_text(
        "\ufeff" + text.replace("Waving, again", "Waving again").replace('"', "").replace(",", ";")
    )
    assert _mine(table, ["waving"], per_action=3).counts == {"waving": 3}
    table.write_text(text.replace("61.5", "1:01"))
    with pytest.raises(DataError, match=r"v\.csv: line 3: the duration '1:01' is no number of seconds"):
        _mine(table, ["waving"], per_action=3)
    table.write_bytes(text.replace("Waving, again", "Déjà").encode("latin-1"))
    with pytest.raises(DataError, match=r"v\.csv: line 3 is not UTF-8 text; save the table as UTF-8"):
        _mine(table, ["waving"], per_action=3)


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--licence opne: did you mean 'open'"):
        VideoRules(licence="opne")
    with pytest.raises(UsageError, match="--min-seconds 20 must be below --max-seconds 10"):
        VideoRules(min_seconds=20, max_seconds=10)
    with pytest.raises(UsageError, match=r"videos\.txt: the list is a CSV"):
        mine_videos(["waving"], tmp_path / "videos.txt")
    for prefix in ("nosuchsearch", ""):
        with pytest.raises(UsageError, match=f"--site {prefix}: no search that yt-dlp knows"):
            mine_videos(["waving", "jumping"], tmp_path / "new" / "deep" / "none.csv", site=prefix)
        assert not (tmp_path / "new").exists()
    assert not (tmp_path / "none.csv").exists()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no list of kinema mine videos"):
        mine_videos(["waving"], tmp_path / "other.csv")


@pytest.mark.slow
def test_the_list_is_fetched(
    filled: VideoSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, typed: names, a list, videos in class folders with a manifest."""
    from kinema.data import read_data
    from kinema.video import VideoWriter

    ground = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "film.mp4", 5, (64, 48)) as out:
        for index in range(5 * 31):
            out.write(np.roll(ground, index, axis=1))
    filled.media = dict.fromkeys(["both0000001.mp4", "jump0000001.mp4"], (tmp_path / "film.mp4").read_bytes())
    plugin = tmp_path / "plugins/yt_dlp_plugins/extractor"
    plugin.mkdir(parents=True)
    (plugin / "fake.py").write_text(PLUGIN)
    table = tmp_path / "videos.csv"
    command = [sys.executable, "-m", "kinema", "mine", "videos", "--actions", "jumping", "--site", "fakesearch",
               "--out", str(table), "--videos-per-action", "2"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "plugins")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
    assert "jumping: 2\n2 videos, 0.0 h, 2 new\n" in done.stdout
    fetch = f"kinema data fetch kinetics-400 --lists {table} --out {tmp_path / 'videos'}"
    assert fetch in done.stdout
    monkeypatch.setenv("KINEMA_KINETICS_ADDRESS", f"{filled.url}/media/{{id}}.mp4")
    assert run(fetch.split()[1:]) == 0
    capsys.readouterr()
    manifest = read_data(tmp_path / "videos/manifest.csv")
    assert [(segment.name, segment.label) for segment in manifest.segments()] == [
        ("jumping/both0000001_000000_000030.mp4", "jumping"),
        ("jumping/jump0000001_000000_000020.mp4", "jumping"),
    ]

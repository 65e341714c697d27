"""The whole job: what lies in the folder afterwards, what is not asked for twice, and what is listed as failed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinema.data import read_data
from kinema.data.fetch import (
    CATALOGUE,
    DataSet,
    Downloader,
    Location,
    RemoteFile,
    fetch_data_set,
    fetch_lists,
    read_failures,
)
from kinema.data.fetch.archives import Limits
from kinema.errors import KinemaError

FaultServer = Any  # of conftest.py, which tests cannot import
Clock = Any
MakeRar = Callable[..., bytes]


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def data_set(*files: RemoteFile, name: str = "test", unpacked: int = 0) -> DataSet:
    return DataSet(name, "things", "files", "https://example.org", "none", "nobody", files, unpacked)


@pytest.fixture
def get(fake_clock: Clock) -> Callable[..., Any]:
    """Return `fetch_data_set` with a downloader that never really waits."""

    def run(what: DataSet, out: Path, **more: Any) -> Any:
        with Downloader(clock=fake_clock, sleep=fake_clock.sleep, now=fake_clock, tries=3) as downloader:
            return fetch_data_set(what, out, downloader=downloader, **more)

    return run


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".kinema-fetch.json")


def test_ucf101_lies_as_its_reader_wants_it(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any], make_rar: MakeRar
) -> None:
    lists = {"ucfTrainTestlist/classInd.txt": b"1 Archery\r\n"}
    for split in ("train", "test"):
        for fold in (1, 2, 3):
            body = f"Archery/v_Archery_g0{1 if split == 'test' else 2}_c01.avi 1\r\n".encode()
            lists[f"ucfTrainTestlist/{split}list0{fold}.txt"] = body
    videos = {f"UCF-101/Archery/v_Archery_g0{n}_c01.avi": b"x" for n in (1, 2)}
    server.add("/l.zip", zipped(lists))
    server.add("/UCF101.rar", make_rar(videos))
    one, two = (
        RemoteFile(file.name, (Location(f"{server.url}{path}"),))
        for file, path in zip(CATALOGUE["ucf101"].files, ("/l.zip", "/UCF101.rar"), strict=True)
    )
    fetched = get(data_set(one, two), tmp_path / "ucf101")
    assert (fetched.done, fetched.present, fetched.failed, fetched.failures) == (2, 0, 0, None)
    assert visible(tmp_path / "ucf101") == ["UCF-101", "ucfTrainTestlist"]
    manifest = read_data(tmp_path / "ucf101")
    assert manifest.source_format == "UCF101"
    assert sorted(segment.name for segment in manifest.segments()) == sorted(videos)
    again = get(data_set(one, two), tmp_path / "ucf101")
    assert (again.done, again.present, len(server.requests)) == (0, 2, 2)


def test_hmdb51_lies_as_its_reader_wants_it(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any], make_rar: MakeRar
) -> None:
    splits = {
        f"testTrainMulti_7030_splits/{label}_test_split{fold}.txt": f"{label}_a.avi 1\n{label}_b.avi 2\n".encode()
        for label in ("clap", "wave")
        for fold in (1, 2, 3)
    }
    rars = {
        f"{label}.rar": make_rar({f"{label}/{label}_{letter}.avi": b"x" for letter in "ab"})
        for label in ("clap", "wave")
    }
    server.add("/test_train_splits.rar", make_rar(splits))
    server.add("/hmdb51_org.rar", make_rar(rars))
    files = tuple(
        RemoteFile(file.name, (Location(f"{server.url}/{file.name}"),), nested=file.nested, into=file.into)
        for file in CATALOGUE["hmdb51"].files
    )
    assert get(data_set(*files), tmp_path / "out").done == 2
    assert visible(tmp_path / "out") == ["hmdb51_org", "testTrainMulti_7030_splits"]
    manifest = read_data(tmp_path / "out")
    assert manifest.source_format == "HMDB51"
    assert [segment.label for segment in manifest.segments()] == ["clap", "clap", "wave", "wave"]


def test_kth_lies_as_its_reader_wants_it(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any], test_data: Path
) -> None:
    videos = sorted((test_data / "kth").glob("*.avi"))
    files = []
    for file in CATALOGUE["kth"].files:
        action = file.name.removesuffix(".zip")
        body = zipped({video.name: video.read_bytes() for video in videos if f"_{action}_" in video.name})
        if file.name == "00sequences.txt":
            body = (test_data / "kth" / file.name).read_bytes()
        elif len(body) < 100:
            continue
        server.add(f"/{file.name}", body)
        files.append(RemoteFile(file.name, (Location(f"{server.url}/{file.name}"),), archive=file.archive))
    assert get(data_set(*files), tmp_path / "kth").failed == 0
    assert visible(tmp_path / "kth") == ["00sequences.txt", *(video.name for video in videos)]
    assert read_data(tmp_path / "kth").source_format == "KTH"


def test_failures_are_listed_and_retried_alone(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    for name in ("a", "b", "c"):
        server.add(f"/{name}.zip", zipped({f"{name}.txt": b"x"}))
    server.routes["/b.zip"].always = server.fault(404)
    server.routes["/c.zip"].always = server.fault(503)
    what = data_set(*(RemoteFile(f"{n}.zip", (Location(f"{server.url}/{n}.zip"),)) for n in "abc"))
    fetched = get(what, tmp_path)
    assert (fetched.done, fetched.failed, fetched.failures) == (1, 2, tmp_path / "fetch-failures.csv")
    rows = list(csv.DictReader(fetched.failures.open()))
    assert [(row["name"], row["reason"], row["tries"]) for row in rows] == [
        ("b.zip", "404 Not Found", "1"),
        ("c.zip", "503 Service Unavailable", "3"),
    ]
    assert rows[0]["url"] == f"{server.url}/b.zip" and rows[0]["when"].endswith("+00:00")
    (tmp_path / "a.txt").unlink()  # wanted again, but it has not failed
    server.requests.clear()
    server.routes["/c.zip"].always = server.fault()
    fetched = get(what, tmp_path, retry_failed=True)
    assert sorted(path for path, _ in server.requests) == ["/b.zip", "/c.zip"]
    assert (fetched.done, fetched.failed) == (1, 1)
    assert list(read_failures(tmp_path / "fetch-failures.csv")) == ["b.zip"]
    server.routes["/b.zip"].always = server.fault()
    assert get(what, tmp_path).failed == 0
    assert visible(tmp_path) == ["a.txt", "b.txt", "c.txt"]
    assert get(what, tmp_path, retry_failed=True).done == 0


def test_the_next_location_is_asked_when_one_fails(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    server.add("/b.zip", zipped({"b.txt": b"x"}))
    places = (Location(f"{server.url}/gone.zip"), Location(f"{server.url}/b.zip"))
    assert get(data_set(RemoteFile("b.zip", places)), tmp_path).done == 1
    assert json.loads((tmp_path / ".kinema-fetch.json").read_text())["files"]["b.zip"]["url"] == places[1].url
    places = (places[0], Location(f"{server.url}/lost.zip"))
    get(data_set(RemoteFile("c.zip", places)), tmp_path)
    (failure,) = read_failures(tmp_path / "fetch-failures.csv").values()
    assert failure.reason == f"404 Not Found (before: {places[0].url}: 404 Not Found (1 try))"
    assert failure.tries == 2


def test_archives_stay_if_asked_to(server: FaultServer, tmp_path: Path, get: Callable[..., Any]) -> None:
    server.add("/a.zip", zipped({"a.txt": b"x"}))
    what = data_set(RemoteFile("a.zip", (Location(f"{server.url}/a.zip"),)))
    get(what, tmp_path, keep_archives=True)
    assert visible(tmp_path) == ["a.txt", "a.zip"]
    (tmp_path / "a.txt").unlink()
    assert get(what, tmp_path, keep_archives=True).done == 1  # from the archive that is there
    assert len(server.requests) == 1 and visible(tmp_path) == ["a.txt", "a.zip"]


def test_an_archive_that_somebody_brought_is_checked_like_any(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    body = zipped({"a.txt": b"x"})
    place = Location(f"{server.url}/a.zip", len(body), "sha256:" + hashlib.sha256(body).hexdigest())
    (tmp_path / "a.zip").write_bytes(body)
    assert get(data_set(RemoteFile("a.zip", (place,))), tmp_path).done == 1
    (tmp_path / "b.zip").write_bytes(zipped({"a.txt": b"y"}))
    assert get(data_set(RemoteFile("b.zip", (place,))), tmp_path).failed == 1
    (failure,) = read_failures(tmp_path / "fetch-failures.csv").values()
    assert "not the file that is published (size or checksum); delete it" in failure.reason
    assert server.requests == [] and (tmp_path / "b.zip").exists()


def test_a_damaged_archive_is_removed_and_a_refused_one_is_kept(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    server.add("/a.zip", zipped({"a.txt": b"x" * 500})[:300])
    server.add("/b.zip", zipped({"../b.txt": b"x"}))
    what = data_set(*(RemoteFile(f"{n}.zip", (Location(f"{server.url}/{n}.zip"),)) for n in "ab"))
    assert get(what, tmp_path / "out").failed == 2
    reasons = {
        name: failure.reason for name, failure in read_failures(tmp_path / "out/fetch-failures.csv").items()
    }
    assert "damaged" in reasons["a.zip"] and "outside of the folder" in reasons["b.zip"]
    assert visible(tmp_path / "out") == ["b.zip", "fetch-failures.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_limits_reach_the_archives(server: FaultServer, tmp_path: Path, get: Callable[..., Any]) -> None:
    server.add("/a.zip", zipped({"a.txt": bytes(1000)}))
    what = data_set(RemoteFile("a.zip", (Location(f"{server.url}/a.zip"),)))
    assert get(what, tmp_path, limits=Limits(total=999)).failed == 1


def test_a_disk_that_is_too_small_is_named_before_the_first_byte(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kinema.data.fetch.fetching.shutil.disk_usage", lambda path: SimpleNamespace(free=3 * 10**9)
    )
    file = RemoteFile("a.zip", (Location(f"{server.url}/a.zip"),), about=2 * 10**9)
    with pytest.raises(KinemaError) as caught:
        get(data_set(file, unpacked=4 * 10**9, name="big"), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: big needs about 6.0 GB (2.0 GB to download, 4.0 GB unpacked) and the disk has 3.0 GB free; "
        f"free some or give --out"
    )
    assert server.requests == [] and visible(tmp_path) == []


def test_connections_bound_the_downloads(server: FaultServer, tmp_path: Path) -> None:
    files = []
    for n in range(8):
        server.add(f"/{n}.txt", b"x", always=server.fault(wait=0.05))
        files.append(RemoteFile(f"{n}.txt", (Location(f"{server.url}/{n}.txt"),), archive=False))
    assert fetch_data_set(data_set(*files), tmp_path, connections=2).done == 8
    assert server.most_at_once == 2


def test_two_runs_never_work_in_one_folder(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    from filelock import FileLock

    file = RemoteFile("a.txt", (Location(f"{server.url}/a.txt"),), archive=False)
    with (
        FileLock(tmp_path / ".kinema-fetch.lock"),
        pytest.raises(KinemaError, match="another kinema fetches into this folder"),
    ):
        get(data_set(file), tmp_path)


def test_what_a_killed_run_left_half_unpacked_is_cleared(
    server: FaultServer, tmp_path: Path, get: Callable[..., Any]
) -> None:
    (tmp_path / ".unpacking-0123/UCF-101").mkdir(parents=True)
    (tmp_path / ".kinema-fetch.json").write_text("{broken")
    server.add("/a.txt", b"x")
    get(data_set(RemoteFile("a.txt", (Location(f"{server.url}/a.txt"),), archive=False)), tmp_path)
    assert visible(tmp_path) == ["a.txt"]


def test_the_lists_of_kinetics(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add("/k.zip", zipped({"kinetics400/train.csv": b"label,youtube_id", "kinetics400/test.csv": b"x"}))
    lists = RemoteFile("k.zip", (Location(f"{server.url}/k.zip"),))
    monkeypatch.setitem(CATALOGUE, "kinetics400", data_set(lists, name="kinetics400"))
    assert fetch_lists("kinetics400", tmp_path) == tmp_path / "lists" / "kinetics400"
    assert fetch_lists("kinetics400", tmp_path) == tmp_path / "lists" / "kinetics400"
    assert len(server.requests) == 1
    gone = RemoteFile("g.zip", (Location(f"{server.url}/g.zip"),))
    monkeypatch.setitem(CATALOGUE, "kinetics400", data_set(gone, name="kinetics400"))
    with pytest.raises(KinemaError, match=r"g\.zip: 404 Not Found; or give the lists with --lists"):
        fetch_lists("kinetics400", tmp_path)


def test_a_licence_to_click_is_named_with_its_page(tmp_path: Path) -> None:
    with pytest.raises(
        KinemaError, match=r"visit https://www.qualcomm.com/developer/software/something-something"
    ):
        fetch_data_set("something-something-v2", tmp_path / "out")
    assert not (tmp_path / "out").exists()

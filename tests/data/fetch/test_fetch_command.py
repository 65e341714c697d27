"""`kinema data fetch`: what a newcomer types, what is printed, and the exit codes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kinema.cli.data import app
from kinema.data.fetch import CATALOGUE, DataSet, Fetched, Location, RemoteFile
from kinema.errors import KinemaError, UsageError

FaultServer = Any  # of conftest.py, which tests cannot import


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["fetch", *(str(argument) for argument in arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def local(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """The data set `local`, of two archives, in the table."""
    files = []
    for name in ("a", "b"):
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr(f"{name}/one.avi", b"x")
        server.add(f"/{name}.zip", body.getvalue())
        files.append(RemoteFile(f"{name}.zip", (Location(f"{server.url}/{name}.zip"),), about=2_000_000))
    one = DataSet(
        "local",
        "2 synthetic actions",
        "files",
        "https://example.org/",
        "CC BY 4.0",
        "Nobody, 2024",
        tuple(files),
    )
    monkeypatch.setitem(CATALOGUE, "local", one)
    return one


def test_without_a_name_the_table_is_printed() -> None:
    lines = _run().output.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "HOW", "WHAT"]
    sizes = {line.split("  ")[0]: line for line in lines}
    assert sizes["ucf101"].split()[1:4] == ["6.9", "GB", "download"]  # published to the byte
    assert sizes["kth"].split()[1:5] == ["about", "1.1", "GB", "download"]  # rounded by somebody
    assert sizes["something-something-v2"].split()[1:4] == ["?", "by", "hand"]
    assert lines == _run("--list").output.splitlines()


def test_a_name_and_list_print_addresses_checksums_terms_and_citation() -> None:
    output = _run("kth", "--list").output
    assert (
        "https://www.csc.kth.se/cvap/actions/walking.zip  sha1:a3e81537271a0ab4576591774baa38c2d97b7e3a"
        in output
    )
    assert "terms:    non-commercial use with acknowledgement" in output
    assert "citation: Schuldt, Laptev, Caputo" in output
    assert output.splitlines()[-1] == "next: kinema data fetch kth --out kth"


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown data set 'ucf11'; did you mean 'ucf101'") as caught:
        _run("ucf11")
    assert caught.value.exit_code == 2


def test_a_data_set_behind_a_click_is_a_line_with_its_page(tmp_path: Path) -> None:
    with pytest.raises(
        KinemaError, match=r"jester must be downloaded by hand .* visit https://www\.qualcomm"
    ):
        _run("jester", "--out", tmp_path)


def test_terms_are_agreed_to_before_anything_is_downloaded(
    local: DataSet, server: FaultServer, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=r"add --yes to agree to about 4\.0 MB and to the terms \(CC BY 4\.0\)"
    ):
        _run("local", "--out", tmp_path / "set")
    assert server.requests == [] and not (tmp_path / "set").exists()


def test_a_download_ends_with_what_to_type_next(local: DataSet, tmp_path: Path) -> None:
    out = tmp_path / "my set"
    result = _run("local", "--out", out, "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "local: 2 files fetched, 0 there before, 0 failed",
        "",
        f"wrote {out}",
        f"next: kinema data import '{out}' --out '{out}/manifest.csv'",
    ]
    assert (out / "a/one.avi").read_bytes() == b"x"
    assert _run("local", "--out", out, "-y").stdout.startswith(
        "local: 0 files fetched, 2 there before, 0 failed"
    )


def test_failures_exit_with_1_and_are_retried(local: DataSet, server: FaultServer, tmp_path: Path) -> None:
    server.routes["/b.zip"].always = server.fault(404)
    result = _run("local", "--out", tmp_path, "--yes")
    assert result.exit_code == 1
    assert "local: 1 file fetched, 0 there before, 1 failed" in result.stdout
    assert f"wrote {tmp_path}/fetch-failures.csv" in result.stdout
    again = f"kinema data fetch local --out {tmp_path} --yes --retry-failed"
    assert result.stdout.splitlines()[-1] == f"next: {again}"
    assert "b.zip: 404 Not Found" in result.stderr
    server.routes["/b.zip"].always = server.fault()
    result = _run("local", "--out", tmp_path, "--retry-failed", "--yes")
    assert result.exit_code == 0 and not (tmp_path / "fetch-failures.csv").exists()


def test_archives_are_kept_and_connections_are_bounded(local: DataSet, tmp_path: Path) -> None:
    _run("local", "--out", tmp_path, "--yes", "--keep-archives", "--connections", 1)
    assert (tmp_path / "a.zip").exists()
    assert _run("local", "--connections", 0).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["local", "--per-class", "3"], "--per-class is for Kinetics; local comes whole: leave it out"),
        (["local", "--short-side", "360"], "--short-side is for Kinetics; local comes whole: leave it out"),
        (["local", "--seed", "0"], "--seed is for Kinetics; local comes whole: leave it out"),
        (
            ["local", "--endpoint-url", "http://x"],
            "--endpoint-url is for object stores; local comes whole: leave it out",
        ),
        (["s3://b/set", "--split", "train"], "--split is for Kinetics; s3://b/set is in an object store"),
        (
            ["s3://b/set", "--list"],
            "--list is for data sets that come whole; s3://b/set is in an object store",
        ),
        (["s3://b/set", "--retry-failed"], "--retry-failed is for data sets that come whole; s3://b/set is"),
        (["kinetics400", "--keep-archives"], "--keep-archives is for data sets that come whole; kinetics400"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    local: DataSet, server: FaultServer, tmp_path: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _run(*arguments, "--out", tmp_path)
    assert server.requests == [] and list(tmp_path.iterdir()) == []


@pytest.fixture
def clips_outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fetched], None]:
    """Return a function that says how the next fetch of clips ends."""
    from kinema.data.fetch import kinetics

    def ends(outcome: Fetched) -> None:
        monkeypatch.setattr(kinetics, "fetch_kinetics", lambda *_, **__: outcome)

    return ends


def test_clips_of_which_none_could_be_had_are_a_failure(
    clips_outcome: Callable[[Fetched], None], tmp_path: Path
) -> None:
    failures = tmp_path / "fetch-failures.csv"
    # The manifest is of clips of an earlier run with other classes.
    clips_outcome(Fetched(0, 0, 12, tmp_path, failures, tmp_path / "manifest.csv"))
    with pytest.raises(KinemaError) as caught:
        _run("kinetics400", "--out", tmp_path, "--classes", "tango dancing", "--short-side", 240)
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        f"kinetics400: no clip could be had; {failures} says why of each; again: kinema data fetch kinetics400 "
        f"--out {tmp_path} --classes 'tango dancing' --short-side 240 --retry-failed"
    )


def test_clips_of_which_some_could_be_had_are_a_success(
    clips_outcome: Callable[[Fetched], None], tmp_path: Path
) -> None:
    failures, manifest = tmp_path / "fetch-failures.csv", tmp_path / "manifest.csv"
    clips_outcome(Fetched(0, 2, 10, tmp_path, failures, manifest))
    result = _run("kinetics400", "--out", tmp_path, "--connections", 2)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "kinetics400: 0 clips fetched, 2 there before, 10 failed",
        f"what failed, and why: {failures}; again: kinema data fetch kinetics400 --out {tmp_path} --connections 2 "
        "--retry-failed",
        "",
        f"wrote {manifest}",
        f"next: kinema data check {manifest}",
    ]


def test_a_store_of_which_anything_is_missing_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, manifest = tmp_path / "fetch-failures.csv", tmp_path / "manifest.csv"
    outcome = Fetched(5, 0, 1, tmp_path, failures, manifest)
    monkeypatch.setattr("kinema.data.stores.fetch_store", lambda *_, **__: outcome)
    result = _run("s3://b/set", "--out", tmp_path, "--endpoint-url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == [
        f"wrote {failures}",
        f"next: kinema data fetch s3://b/set --out {tmp_path} --endpoint-url http://127.0.0.1:9",
    ]


def test_kinetics_gets_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.data.fetch import kinetics

    calls: list[tuple[object, ...]] = []

    def fetch_kinetics(name: str, out: Path, **options: Any) -> Fetched:
        options.pop("progress")(1, 2, "archery")
        calls.append((name, out, options))
        return Fetched(3, 1, 0, out, None, out / "manifest.csv")

    monkeypatch.setattr(kinetics, "fetch_kinetics", fetch_kinetics)
    out = tmp_path / "k"
    arguments = ["--classes", "archery, abseiling", "--classes", "yoga", "--per-class", 2, "--split", "train"]
    result = _run("kinetics-400", "--out", out, *arguments, "--seed", 7, "--retry-failed")
    expected = {
        "classes": ["archery", "abseiling", "yoga"],
        "per_class": 2,
        "split": "train",
        "seed": 7,
        "connections": 4,
        "retry_failed": True,
        "lists": None,
        "short_side": 360,
    }
    assert calls == [("kinetics400", out, expected)]
    assert result.stdout.splitlines() == [
        "kinetics400: 3 clips fetched, 1 there before, 0 failed",
        "",
        f"wrote {out}/manifest.csv",
        f"next: kinema data check {out}/manifest.csv",
    ]


def test_an_address_goes_to_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []

    def fetch_store(url: str, out: Path, *, connections: int, progress: Any, endpoint: str | None) -> Fetched:
        calls.append((url, out, connections, endpoint))
        progress(1, 2)
        return Fetched(2, 0, 0, out)

    monkeypatch.setattr("kinema.data.stores.fetch_store", fetch_store)
    monkeypatch.chdir(tmp_path)
    result = _run("s3://bucket/clips/", "--connections", 2, "--endpoint-url", "http://127.0.0.1:9000")
    assert calls == [("s3://bucket/clips/", Path("clips"), 2, "http://127.0.0.1:9000")]
    assert "s3://bucket/clips/: 2 files fetched" in result.stdout

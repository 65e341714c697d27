"""What every test may use: the folder of real videos, a cache of its own, an object store, a PostgreSQL server, a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

# A shell ignores Ctrl-C for what it starts in the background, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real videos that `KINEMA_TEST_DATA` names; the test is skipped where it is not set."""
    folder = os.environ.get("KINEMA_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KINEMA_TEST_DATA does not name a folder of test videos")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests never read or fill the user's cache."""
    before = os.environ.get("KINEMA_CACHE")
    os.environ["KINEMA_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["KINEMA_CACHE"]
    else:
        os.environ["KINEMA_CACHE"] = before


@pytest.fixture(scope="module")
def s3_service() -> Iterator[str]:
    """The address of an S3 service of this process: moto's server."""
    pytest.importorskip("s3fs", reason="needs kinema[download]")
    server = pytest.importorskip("moto.server", reason="needs kinema[dev]")
    started = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def s3(s3_service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A client for an empty bucket 'films', with the environment of a user of it and a cache of its own."""
    import boto3
    import requests

    requests.post(f"{s3_service}/moto-api/reset", timeout=10)
    requests.post(f"{s3_service}/moto-api/reset-auth", data=b"inf", timeout=10)
    settings = {
        "AWS_ENDPOINT_URL": s3_service,
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_KINEMA_TEST": str(tmp_path),  # a connection of this test alone
        "KINEMA_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3_service)
    client.create_bucket(Bucket="films")
    return client


class S3Calls(list[tuple[str, str]]):
    """The requests that were made to the store: method (get_object, put_object …) and key."""

    def keys(self, *methods: str, suffix: str = "") -> list[str]:
        """The keys that were asked for with any of these methods, sorted, as often as they were."""
        return sorted(key for method, key in self if method in methods and key.endswith(suffix))


@pytest.fixture
def s3_calls(monkeypatch: pytest.MonkeyPatch) -> S3Calls:
    """The requests of the test to its object store."""
    core = pytest.importorskip("s3fs.core")
    calls = S3Calls()
    original = core.S3FileSystem._call_s3

    async def noting(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        calls.append((method, str(kwargs.get("Key", ""))))
        return await original(self, method, *args, **kwargs)

    monkeypatch.setattr(core.S3FileSystem, "_call_s3", noting)
    return calls


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of its own, which holds its files in a temporary folder."""
    pytest.importorskip("psycopg", reason="needs the PostgreSQL driver of kinema[dev]")
    # Debian keeps them where no PATH leads.
    homes = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    places = os.pathsep.join([os.environ.get("PATH", ""), *homes])
    initdb, server = shutil.which("initdb", path=places), shutil.which("pg_ctl", path=places)
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed (initdb, pg_ctl)")
    as_other: list[str] = []
    # A short path: a socket's may have 107 characters.
    home = Path("/tmp") / f"kinema-postgres-{os.getpid()}"
    home.mkdir()
    if os.geteuid() == 0:  # which PostgreSQL refuses
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and runuser is not installed")
        as_other = ["runuser", "-u", "nobody", "--"]
        shutil.chown(home, "nobody")
    data = home / "data"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*words: str | Path, check: bool = True) -> None:
        done = subprocess.run([*as_other, *words], capture_output=True, text=True, cwd=home)
        assert not check or done.returncode == 0, done.stdout + done.stderr

    try:
        run(initdb, "-D", data, "-U", "kinema", "-A", "trust")
        # The log goes to a file: a pipe would stay open as long as the server lives.
        run(server, "-D", data, "-o", f"-p {port} -k {home} -h 127.0.0.1", "-l", home / "log", "-w", "start")
        yield f"postgresql://kinema@127.0.0.1:{port}/postgres"
    finally:
        run(server, "-D", data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def two_actions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class: a synthetic square that moves, and one that stands, of eight subjects; 16 videos of 12 frames.

    Its name holds a space, as users' do.
    """
    import numpy as np

    from kinema.video import VideoWriter

    root = tmp_path_factory.mktemp("synthetic") / "two actions"
    rng = np.random.default_rng(0)
    for subject in range(1, 9):
        for label in ("move", "stand"):
            path = root / label / f"person{subject:02d}_{label}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            ground = rng.integers(0, 120, (48, 48, 3), dtype=np.uint8)
            with VideoWriter(path, 10) as out:
                for index in range(12):
                    picture = ground.copy()
                    left = 2 * index if label == "move" else 12
                    picture[14:30, left : left + 16] = 230
                    out.write(picture)
    return root


@pytest.fixture
def small_files() -> Callable[[], AbstractContextManager[None]]:
    """Return a block in which no file can grow above a megabyte, as on a disk that fills up: an OSError."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are a matter of Unix")

    @contextmanager
    def limited() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright, one for all tests of a process: Playwright starts once in one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop runs in the thread of the tests
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(autouse=True)
def _loop_of_the_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Playwright's loop stays the running one of this thread once a browser was used, and then no async view can be called
    from here. Tests without a browser do not see it."""
    found = asyncio._get_running_loop()
    if found is None or "browser" in request.fixturenames:
        yield
        return
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(found)

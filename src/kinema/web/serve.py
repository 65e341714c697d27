"""`kinema serve`: the server, its worker, the browser; and the checks that come before."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kinema.errors import DataError, UsageError, first_line
from kinema.web.folder import SITE, SiteFolder
from kinema.web.listening import address_of, answered_names, is_loopback, listen
from kinema.web.supervisor import Supervisor


@dataclass(frozen=True)
class ServeSettings:
    """How a site is served.

    `folder` keeps all that the site writes; `run`: the recognizer that pages choose first; `runs`: folders of runs that
    pages show; `data`: folders of labelled data that they offer. `host`, `port`: 0 finds a free one. `certificate`, `key`:
    PEM files, for https. `behind_tls`: a proxy speaks https for it and sends X-Forwarded-Proto. `plain_http`: other machines
    may come without https. `hosts`: further names that it answers to. `jobs`: how many long jobs run at a time, and as many
    short ones beside them. `login`: ask for one on this machine too.
    """

    folder: Path
    run: Path | None = None
    runs: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8800
    certificate: Path | None = None
    key: Path | None = None
    behind_tls: bool = False
    plain_http: bool = False
    hosts: tuple[str, ...] = ()
    jobs: int = 1
    login: bool = False
    browser: bool = False

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def exposed(self) -> bool:
        """Whether others than who sits at this machine may come: by its address, or through a proxy or another name."""
        return not self.loopback or self.behind_tls or bool(self.hosts)

    @property
    def asks(self) -> bool:
        """Whether pages ask for a login."""
        return self.login or self.exposed

    @property
    def tls(self) -> bool:
        """Whether browsers come by https."""
        return self.certificate is not None or self.behind_tls


def serve(settings: ServeSettings, ready: Callable[[str], None] = print) -> None:
    """Migrate the database, start the worker and serve until Ctrl-C or SIGTERM; `ready(address)` is called once it answers.

    Raises `UsageError` for what is not safe (another address than this machine's without a user, or without https and
    without being told so) and for a folder that another server has, `DataError` for a run, a folder or a port that does not
    work.
    """
    _check(settings)
    _keep_to_oneself()
    with _alone_in(settings.folder):
        prepare(settings)
        _check_users(settings)
        _use_own_temporary_folder(SiteFolder(settings.folder.resolve()))
        listening = listen(settings.host, settings.port)
        address = address_of(listening, settings.host, tls=settings.certificate is not None)
        worker = [sys.executable, "-m", "kinema.web.jobs.worker", str(settings.jobs), str(os.getpid())]
        supervisor = Supervisor(worker)
        if hasattr(signal, "SIGTERM"):
            # uvicorn ends well at a SIGTERM and then raises it again: so it ends this function, and not the process at once.
            signal.signal(signal.SIGTERM, _interrupt)
        supervisor.start()
        try:
            _run_server(settings, listening, lambda: _ready(address, settings, ready))
        finally:
            supervisor.stop()
            listening.close()


def prepare(settings: ServeSettings) -> None:
    """Point this process at the site's folder and bring its database up to date. Raises `DataError`."""
    _make(settings.folder)
    runs = settings.runs or (Path("runs"),)
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "kinema.web.settings",
            SITE: str(settings.folder.resolve()),
            "KINEMA_LOGIN": "1" if settings.asks else "0",
            "KINEMA_HOSTS": ",".join(answered_names(settings.host, settings.hosts)),
            "KINEMA_TLS": "1" if settings.tls else "0",
            "KINEMA_PROXY": "1" if settings.behind_tls else "0",
            "KINEMA_RUN": str(settings.run.resolve()) if settings.run else "",
            "KINEMA_RUNS": _joined(runs),
            **({"KINEMA_DATA": _joined(settings.data)} if settings.data else {}),
        }
    )
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.db import DatabaseError

    try:
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        call_command("clearsessions")
    except (DatabaseError, ImproperlyConfigured, ValueError) as error:
        # A ValueError is an address that cannot be read; the line says nothing of what stands in it.
        given = bool(os.environ.get("DATABASE_URL"))
        if isinstance(error, ValueError) and not given:
            raise
        where = "DATABASE_URL" if given else str(SiteFolder(settings.folder).database)
        mend = "; pip install 'psycopg[binary]'" if "psycopg" in str(error) else ""
        raise DataError(f"{where}: the database cannot be used ({first_line(error)}){mend}") from error


def add_user(settings: ServeSettings, name: str, password: str) -> None:
    """Make an admin, or give a user that is there a new password; a server may run meanwhile.

    Raises `UsageError` for a name or a password that will not do.
    """
    _keep_to_oneself()
    prepare(settings)
    from kinema.web.base.accounts import make_admin

    make_admin(name, password)


def _check(settings: ServeSettings) -> None:
    if (settings.certificate is None) != (settings.key is None):
        raise UsageError("--tls-cert and --tls-key belong together: give both")
    if settings.certificate is not None and settings.key is not None:
        _check_certificate(settings.certificate, settings.key)
    if not settings.loopback and not settings.tls and not settings.plain_http:
        raise UsageError(
            f"{settings.host}: others could read passwords and pictures on the way; give --tls-cert and --tls-key, "
            "--behind-tls behind a proxy that speaks https, or --plain-http in a network that you trust"
        )
    if settings.run is not None and not any(
        (settings.run / part / "recognizer.json").is_file() for part in (".", "recognizer")
    ):
        raise DataError(f"{settings.run}: neither a run nor a recognizer; `kinema train DATA` makes one")
    for path in settings.data:
        if not path.is_dir():
            raise DataError(
                f"{path}: no such folder; --data takes folders, with labelled videos or manifests"
            )


def _check_certificate(certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        if not path.is_file():
            raise DataError(f"{path}: no such file; https needs a certificate and its key, as PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{certificate}: cannot be used with the key {key} ({first_line(error)}); give a certificate and its key, as PEM"
        ) from error


def _check_users(settings: ServeSettings) -> None:
    from kinema.web.base.accounts import somebody_can_sign_in

    if settings.asks and not somebody_can_sign_in():
        raise UsageError(
            f"{settings.host}: nobody could sign in yet; make a user first: "
            f"kinema serve --folder {shlex.quote(str(settings.folder))} --add-user NAME"
        )


def _keep_to_oneself() -> None:
    """Let nobody else read what this process writes: it shows people."""
    os.umask(0o077)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be the site's folder ({error.strerror})") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other servers out of a folder, whose worker would run its jobs as well, until this process ends, however it does."""
    _make(folder)
    lock = FileLock(str(folder / "serve.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"{folder}: another `kinema serve` has this folder; end it, or give this one a --folder of its own"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be the site's folder ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()


def _use_own_temporary_folder(site: SiteFolder) -> None:
    """Keep uploads on their way on the disk of the site: /tmp is memory on many machines. Killed servers leave some there."""
    shutil.rmtree(site.root / "tmp", ignore_errors=True)
    tempfile.tempdir = str(site.place("tmp"))


def _joined(paths: tuple[Path, ...]) -> str:
    return os.pathsep.join(str(path.resolve()) for path in paths)


def _run_server(settings: ServeSettings, listening: socket.socket, ready: Callable[[], None]) -> None:
    import uvicorn

    config = uvicorn.Config(
        "kinema.web.asgi:application",
        log_level="warning",
        access_log=False,
        lifespan="off",
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        proxy_headers=settings.behind_tls,
        timeout_graceful_shutdown=3,
        ws_max_size=4 * 2**20,
        ws_per_message_deflate=False,  # JPEGs grow no smaller, and each viewer would have them packed anew
        server_header=False,
    )
    server = uvicorn.Server(config)

    def tell() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.02)
        if server.started:
            ready()

    threading.Thread(target=tell, name="ready", daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def _ready(address: str, settings: ServeSettings, ready: Callable[[str], None]) -> None:
    ready(address)
    if settings.browser:
        webbrowser.open(address)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt

"""Real servers for sinks to deliver to, and events to deliver."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from kinema.events import Event, EventRules
from kinema.streaming import StreamInfo


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    """A port of this computer that nobody listens to."""
    return _free_port()


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Return once a condition holds; fail after `within` seconds."""

    def wait(condition: Callable[[], object], within: float = 60.0) -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, "did not happen in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another within a twentieth of a second."""
    monkeypatch.setattr("kinema.streaming.sinks.delivery.BackOff.seconds", lambda self, attempts: 0.05)


@pytest.fixture
def event() -> Callable[..., Event]:
    """Make an event: a fall from 2 s to 4.5 s."""

    def make(**changes: Any) -> Event:
        means = {"walk": 0.1, "fall": 0.85, "fight": 0.05}
        values: dict[str, Any] = {
            "label": "fall",
            "start": 2.0,
            "end": 4.5,
            "peak": 0.97,
            "peak_time": 3.25,
            "mean": 0.85,
            "means": means,
            "rows": 25,
            "source": "door.mp4",
            "id": "door-000002000-fall",
        }
        return Event(**{**values, **changes})

    return make


@pytest.fixture
def info(tmp_path: Path) -> StreamInfo:
    """What an engine tells a sink: three classes, one of them background, one source, a folder of results."""
    rules = EventRules(background=("walk",))
    return StreamInfo(["walk", "fall", "fight"], ["door.mp4"], rules, tmp_path / "results")


@dataclass
class Certificates:
    """Files of an authority of the tests and of a server `localhost` that it vouches for."""

    authority: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made now, for an hour."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.datetime.now(datetime.UTC)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, issuer: str, key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = (
        builder("kinema tests", "kinema tests", root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        builder("localhost", "kinema tests", key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    made.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made


@dataclass
class MailServer:
    """What came to a mail server of a test, and what it shall answer."""

    port: int
    raw: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    connections: int = 0
    logins: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """Answers to the next mails, in place of taking them."""
    recipients: dict[str, str] = field(default_factory=dict)
    """Answers to single recipients."""
    stop: Callable[[], None] = lambda: None

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(data, policy=default) for _, _, data in self.raw]  # type: ignore[misc]

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += session.ssl is not None or server.tls_context is None
        return responses

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.raw.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return "250 taken"


@pytest.fixture
def mail_server(certificates: Certificates) -> Iterator[Callable[..., MailServer]]:
    """Start a mail server: `tls` None, "starttls" or "tls", `users` with passwords; it stops when the test ends."""
    pytest.importorskip("aiosmtpd", reason="needs kinema[dev]")
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    running: list[Callable[[], None]] = []

    def start(
        tls: str | None = None, users: dict[str, str] | None = None, port: int | None = None
    ) -> MailServer:
        server = MailServer(port or _free_port())

        def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
            assert isinstance(data, LoginPassword)
            user, password = data.login.decode(), data.password.decode()
            server.logins.append(user)
            return AuthResult(success=(users or {}).get(user) == password, handled=False)

        options: dict[str, Any] = {}
        if users is not None:
            options = {
                "authenticator": known,
                "auth_required": True,
                "auth_require_tls": tls == "starttls",
            }  # implicit TLS is not seen by aiosmtpd
        if tls == "starttls":
            options |= {"tls_context": certificates.server_context(), "require_starttls": True}
        controller = Controller(
            server,
            hostname="localhost" if tls else "127.0.0.1",
            port=server.port,
            ssl_context=certificates.server_context() if tls == "tls" else None,
            **options,
        )
        controller.start()
        server.connections = 0
        stopped = threading.Event()

        def stop() -> None:
            if not stopped.is_set():
                stopped.set()
                controller.stop()

        server.stop = stop
        running.append(stop)
        return server

    yield start
    for stop in running:
        stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., tuple[int, Callable[[], None]]]]:
    """Start a mosquitto broker (`users` with passwords, `tls`), whose sessions outlive it; returns its port and what stops it."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(
        port: int | None = None, users: dict[str, str] | None = None, tls: Certificates | None = None
    ) -> tuple[int, Callable[[], None]]:
        port = port or _free_port()
        lines = [
            f"listener {port} 127.0.0.1",
            f"persistence_location {tmp_path}/",
            "persistence true",
            f"allow_anonymous {str(not users).lower()}",
        ]
        if users:
            passwords = tmp_path / f"passwords-{port}"
            passwords.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
            tool = shutil.which("mosquitto_passwd") or str(
                Path(program).parent.parent / "bin/mosquitto_passwd"
            )
            subprocess.run([tool, "-U", str(passwords)], check=True)
            passwords.chmod(0o644)
            lines.append(f"password_file {passwords}")
        if tls is not None:
            lines += [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            lines.append("user root")
        settings = tmp_path / f"mosquitto-{port}.conf"
        settings.write_text("\n".join(lines) + "\n")
        process = subprocess.Popen([program, "-c", str(settings)], stdout=-3, stderr=-3)
        running.append(process)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "mosquitto does not start"
                time.sleep(0.02)

        def stop() -> None:
            process.terminate()  # it writes down who subscribed to what
            process.wait()

        return port, stop

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Run Python in another process; returns when it has printed its first line."""
    running: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

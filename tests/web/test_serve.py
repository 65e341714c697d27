"""`kinema serve`: what it refuses, and what every page carries."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest


def _serve(*options: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kinema", "serve", "--no-browser", "--folder", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0: others could read passwords and pictures on the way"),
        (["--host", "0.0.0.0", "--plain-http"], "--add-user NAME"),
        (["--login"], "nobody could sign in yet; make a user first: kinema serve --folder"),
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key belong together"),
        (["no-such-run"], "no-such-run: neither a run nor a recognizer"),
        (["--data", "no-such-folder"], "no-such-folder: no such folder; --data takes folders"),
        (["--port", "70000"], "'--port': Input should be less than or equal to 65535"),
    ],
    ids=["plain http", "no user", "no user on loopback", "half a key", "no run", "no data", "no port"],
)
def test_what_is_not_safe_or_cannot_be_is_refused_in_a_line(
    options: list[str], said: str, tmp_path: Path
) -> None:
    done = _serve(*options, folder=tmp_path / "site")
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_servers_do_not_share_a_folder(site: Any) -> None:
    done = _serve("--port", "0", folder=site.folder)
    assert (done.returncode, done.stderr) == (
        2,
        f"kinema: {site.folder}: another `kinema serve` has this folder; end it, or give this one a --folder of its own\n",
    )
    # A user can be added meanwhile.
    assert _add_user(site.folder, "grace", "correct horse battery\n").returncode == 0


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    for name in ("site.pem", "site.key"):
        (tmp_path / name).write_text("nothing\n")
    files = ["--tls-cert", str(tmp_path / "site.pem"), "--tls-key", str(tmp_path / "site.key")]
    done = _serve(*files, folder=tmp_path / "site")
    said = f"kinema: {tmp_path / 'site.pem'}: cannot be used with the key {tmp_path / 'site.key'} ("
    assert (done.returncode, done.stderr[: len(said)], len(done.stderr.splitlines())) == (3, said, 1)


@pytest.mark.slow
def test_a_limit_that_makes_no_sense_is_refused_before_anybody_uploads(tmp_path: Path) -> None:
    done = _serve("--port", "0", folder=tmp_path / "site", KINEMA_UPLOAD_LIMIT="much")
    assert (done.returncode, done.stderr) == (
        2,
        "kinema: KINEMA_UPLOAD_LIMIT=much: give bytes, such as 500M or 4G\n",
    )


def test_a_port_in_use_is_named(site: Any, tmp_path: Path) -> None:
    port = site.address.rsplit(":", 1)[1]
    done = _serve("--port", port, folder=tmp_path / "site")
    assert (done.returncode, f"127.0.0.1:{port}: cannot listen there" in done.stderr) == (3, True)


def test_every_page_has_the_headers_that_keep_it_safe(site: Any) -> None:
    answer = httpx.get(site.address + "/", timeout=60)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_only_its_own_names_are_answered(site: Any) -> None:
    assert httpx.get(site.address + "/", headers={"Host": "evil.example"}, timeout=60).status_code == 400


def test_ctrl_c_ends_server_and_worker(start_site: Callable[..., Any]) -> None:
    started = start_site()
    # The worker is the child that runs the queue.
    found = subprocess.run(
        ["pgrep", "-P", str(started.process.pid), "-f", "jobs.worker"], capture_output=True, text=True
    )
    worker = int(found.stdout)
    assert started.stop() == 0
    assert not Path(f"/proc/{worker}/stat").exists()


def test_the_first_page_in_a_browser(page: Any, screenshot: Callable[[Any, str], Path]) -> None:
    page.goto("/")
    assert page.get_by_role("heading", name="What happens in your videos?").is_visible()
    assert page.get_by_role("heading", name="untrained").is_visible()
    screenshot(page, "home-light")
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    screenshot(page, "home-dark")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    from datetime import UTC, datetime, timedelta

    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "site.pem", folder / "site.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


def _add_user(folder: Path, name: str, password: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kinema", "serve", "--folder", str(folder), "--add-user", name]
    return subprocess.run(command, input=password, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_a_site_for_others_from_the_refusal_to_the_first_page(
    start_site: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    import shlex
    import ssl

    folder = tmp_path / "a site"
    tls = ["--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]
    refused = _serve("--host", "0.0.0.0", *tls, folder=folder)
    assert refused.returncode == 2
    shown = refused.stderr.strip().partition("make a user first: ")[2]
    words = shlex.split(shown)
    assert words == ["kinema", "serve", "--folder", str(folder), "--add-user", "NAME"]
    # The command that it shows does it, from a pipe as well.
    assert _add_user(folder, "ada", "correct horse battery\n").stdout == "ada can sign in\n"
    site = start_site(
        "--host", "0.0.0.0", *tls, "--allow-host", "kinema.test", "--allow-host", "localhost", folder=folder
    )
    assert site.address.startswith("https://localhost:")
    context = ssl.create_default_context(cafile=str(certificate[0]))
    with httpx.Client(base_url=site.address, verify=context, timeout=60) as browser:
        assert browser.get("/").headers["Location"] == "/login/?next=/"
        form = browser.get("/login/?next=/settings/")
        cookie = form.headers["Set-Cookie"]
        assert cookie.startswith("kinema_csrf=")
        assert all(f"; {word}" in cookie for word in ("HttpOnly", "Secure", "SameSite=Lax"))
        values = {
            "username": "ada", "password": "correct horse battery", "next": "/settings/",
            "csrfmiddlewaretoken": browser.cookies["kinema_csrf"],
        }  # fmt: skip
        # A page of another site that posts the form, even with a token, is refused.
        evil = browser.post("/login/", data=values, headers={"Referer": "https://evil.example/"})
        assert evil.status_code == 403
        done = browser.post("/login/", data=values, headers={"Referer": site.address + "/login/"})
        assert (done.status_code, done.headers["Location"]) == (302, "/settings/")
        session = next(
            line for line in done.headers.get_list("Set-Cookie") if line.startswith("kinema_session=")
        )
        assert all(f"; {word}" in session for word in ("HttpOnly", "Secure", "SameSite=Lax"))
        assert browser.get("/settings/").status_code == 200
        other = browser.get("/login/", headers={"Host": "kinema.test"})
        assert other.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.slow
def test_a_site_behind_a_proxy_asks_for_a_login_although_it_listens_on_this_machine(
    start_site: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    for options in (["--behind-tls"], ["--allow-host", "kinema.example.org"]):
        refused = _serve(*options, folder=folder)
        assert (refused.returncode, "nobody could sign in yet" in refused.stderr) == (2, True)
    assert _add_user(folder, "ada", "correct horse battery").returncode == 0
    site = start_site("--behind-tls", "--allow-host", "kinema.example.org", folder=folder)
    proxied = {"Host": "kinema.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.1.2.3"}
    answer = httpx.get(site.address + "/", headers=proxied, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/")
    form = httpx.get(site.address + "/login/", headers=proxied, timeout=60)
    assert "; Secure" in form.headers["Set-Cookie"]
    assert form.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "--add-user ada: no password; type it at a terminal"),
        ("12345678\n", "--add-user ada: This password is too common."),
    ],
    ids=["none", "too common"],
)
def test_a_password_that_will_not_do_is_refused_in_a_line(password: str, said: str, tmp_path: Path) -> None:
    done = _add_user(tmp_path / "site", "ada", password)
    assert (done.returncode, said in done.stderr, len(done.stderr.strip().splitlines())) == (2, True, 1)


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("lovelace", "lovelace1", "--add-user lovelace: The password is too similar to the username."),
        ("local", "correct horse", "--add-user local: this name stands for whoever sits at the machine; take another"),
        ("a b", "correct horse", "--add-user a b: Enter a valid username."),
    ],
)  # fmt: skip
def test_a_user_that_will_not_do_is_refused(database: None, name: str, password: str, said: str) -> None:
    from django.contrib.auth import get_user_model

    from kinema.errors import UsageError
    from kinema.web.base.accounts import make_admin

    with pytest.raises(UsageError) as refused:
        make_admin(name, password)
    assert str(refused.value).startswith(said)
    assert not get_user_model().objects.exists()


def test_a_user_is_added_at_a_terminal(tmp_path: Path) -> None:
    import pty
    import select

    command = [
        sys.executable,
        "-m",
        "kinema",
        "serve",
        "--folder",
        str(tmp_path / "site"),
        "--add-user",
        "ada",
    ]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    seen, answers = (
        b"",
        [b"Password of ada: ", b"Repeat for confirmation: "],
    )  # the space comes once it listens
    while select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # it has ended
            break
        if not piece:
            break
        seen += piece
        if answers and answers[0] in seen:
            answers.pop(0)
            os.write(terminal, b"correct horse battery\n")
    _, status = os.waitpid(pid, 0)
    assert (os.waitstatus_to_exitcode(status), answers) == (0, [])
    assert b"ada can sign in" in seen
    assert b"correct horse" not in seen


def test_what_a_site_keeps_is_its_owners_alone(tmp_path: Path) -> None:
    made, given = tmp_path / "made", tmp_path / "given"
    given.mkdir(mode=0o755)
    for folder in (made, given):
        _serve("--login", folder=folder)  # refused, as there is no user: but the database is made by then
        for name in ("secret-key", "site.sqlite3"):
            assert oct((folder / name).stat().st_mode & 0o777) == "0o600"
    assert oct(made.stat().st_mode & 0o777) == "0o700"


def test_a_request_leaves_no_line_in_the_log(start_site: Callable[..., Any]) -> None:
    site = start_site()
    before = site.log.read_text()
    for address in ("/", "/no/such/page", "/login/?x=1"):
        httpx.get(site.address + address, timeout=60)
    httpx.get(site.address + "/", headers={"Host": "evil.example"}, timeout=60)
    httpx.post(site.address + "/jobs/", timeout=60)
    assert site.log.read_text() == before

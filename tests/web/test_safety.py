"""What strangers, other pages and bent addresses get: nothing. Every address of the site is walked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

PASSWORD = "correct horse battery"
OPEN = {"/login/", "/health/", "/favicon.ico"}
"""What strangers may ask for; nothing else."""
_SAMPLES = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000"}
_ARGUMENT = re.compile(r"<(?:(\w+):)?\w+>")
_GROUP = re.compile(r"\(\?P<\w+>([^()]*)\)")


def _walk() -> Iterator[str]:
    """Every address of the site, with `{}` in place of texts in it."""
    from django.urls import URLResolver, get_resolver

    def below(patterns: list[Any], before: str) -> Iterator[str]:
        for entry in patterns:
            address = before + _filled(str(entry.pattern))
            if isinstance(entry, URLResolver):
                yield from below(entry.url_patterns, address)
            else:
                yield address

    yield from dict.fromkeys(below(get_resolver().url_patterns, "/"))


def _filled(pattern: str) -> str:
    if pattern.startswith("^"):  # two regular expressions of Django's admin
        pattern = _GROUP.sub(lambda group: group[1].split("|")[0] if "|" in group[1] else "{}", pattern)
        return pattern.strip("^$").replace("\\Z", "").replace("\\", "")
    return _ARGUMENT.sub(lambda found: _SAMPLES.get(found[1] or "str", "{}"), pattern)


def _client(**settings: Any) -> Any:
    from django.test import Client

    return Client(**settings)


def _sign_in(client: Any, name: str = "ada", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post("/login/", {"username": name, "password": password, **extra})


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_strangers_are_sent_to_the_login_from_every_address(asks: None, method: str) -> None:
    client = _client()
    let_in = []
    addresses = [address.format(*["x"] * 9) for address in _walk()]
    assert len(addresses) > 30
    for address in addresses:
        answer = getattr(client, method)(address)
        # Django's admin has a gate of its own, which leads on to the same login.
        to_login = answer.status_code == 302 and answer["Location"].startswith(("/login/", "/admin/login/"))
        if not (to_login or answer.status_code in (401, 403)) and address not in OPEN:
            let_in.append((address, answer.status_code))
    assert let_in == []


def test_scripts_without_a_login_get_401_in_words(asks: None) -> None:
    answer = _client().get("/jobs/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"].startswith("Sign in first.")


def test_only_admins_reach_what_changes_the_site(new_user: Any, asks: None) -> None:
    new_user("grace", "reviewers")
    client = _client()
    assert _sign_in(client, "grace").status_code == 302
    for address in (
        "/settings/alerts/",
        "/settings/users/",
        "/settings/thresholds/",
        "/settings/alerts/new/mail/",
    ):
        answer = client.get(address)
        assert (answer.status_code, b"Only an admin of this site may do this." in answer.content) == (
            403,
            True,
        )
        assert client.post(address).status_code in (403, 405)
    assert client.get("/settings/tokens/").status_code == 200
    refused = client.get("/admin/", follow=True)
    assert (refused.status_code, b"for admins of this site" in refused.content) == (403, True)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_page_of_others_can_change_anything(database: None, method: str) -> None:
    client = _client(enforce_csrf_checks=True)
    taken = []
    for address in _walk():
        answer = getattr(client, method)(address.format(*["x"] * 9))
        # The API says which methods there are before it asks who it is.
        if answer.status_code != 403 and not (answer.status_code == 405 and address.startswith("/api/")):
            taken.append((address, answer.status_code))
    assert taken == []


BENT = [
    "../../../../../../etc/passwd",
    "..",
    "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5c..%5cetc%5cpasswd",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "....//....//etc/passwd",
    "secret-key",
    "..%2fsecret-key",
    "x%00.mp4",
    "~root",
    "%252e%252e%252fsecret-key",
]


@pytest.mark.parametrize("bent", BENT)
def test_no_bent_address_leads_to_a_file(database: None, bent: str) -> None:
    from kinema.web.folder import site

    key = site().secret_key().encode()
    client = _client()
    for address in _walk():
        if "{}" not in address:
            continue
        answer = client.get(address.format(*[bent] * 9))
        assert answer.status_code < 500, address
        content = b"" if answer.streaming else answer.content
        if answer.streaming:
            assert answer.status_code != 200, address
        assert b"root:x:" not in content, address
        assert key not in content, address


def test_static_files_come_from_their_folders_alone(client: Any) -> None:
    assert client.get("/static/kinema/site.css").status_code == 200
    for bent in BENT:
        assert client.get(f"/static/{bent}").status_code == 404
        assert client.get(f"/static/kinema/{bent}").status_code == 404


def test_other_names_are_not_answered_and_forwarded_ones_not_believed(client: Any) -> None:
    for name in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8800",
        "a b",
    ):
        assert client.get("/", headers={"Host": name}).status_code == 400
    answer = client.get("/settings/tokens/", headers={"X-Forwarded-Host": "evil.example"})
    assert b"evil.example" not in answer.content


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "https:evil.example",
        "javascript:alert(1)", "http://testserver@evil.example/", "\x01https://evil.example",
    ],
)  # fmt: skip
def test_the_login_leads_to_this_site_only(new_user: Any, asks: None, wanted: str) -> None:
    new_user()
    answer = _sign_in(_client(), next=wanted)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    bounced = _client().get("/admin/login/", {"next": wanted})
    assert bounced["Location"].startswith("/login/?next=")


def test_the_login_leads_back_to_the_page_that_was_wanted(new_user: Any, asks: None) -> None:
    new_user()
    client = _client()
    sent = client.get("/jobs/?page=2")
    assert sent["Location"] == "/login/?next=/jobs/%3Fpage%3D2"
    assert _sign_in(client, next="/jobs/?page=2")["Location"] == "/jobs/?page=2"


def test_five_wrong_passwords_make_a_user_wait_and_nobody_else(new_user: Any, asks: None) -> None:
    from axes.models import AccessAttempt
    from django.utils import timezone

    new_user()
    new_user("grace")
    client = _client()
    tries = [_sign_in(client, password="wrong").status_code for _ in range(5)]
    assert tries == [200, 200, 200, 200, 429]
    locked = _sign_in(client)  # the right one is refused as well
    assert (locked.status_code, b"Too many wrong passwords" in locked.content) == (429, True)
    assert _sign_in(_client(), "grace").status_code == 302
    assert (
        _client()
        .post("/login/", {"username": "ada", "password": PASSWORD}, REMOTE_ADDR="10.9.8.7")
        .status_code
        == 302
    )
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert _sign_in(_client()).status_code == 302


def test_an_address_cannot_try_one_password_on_all_users(new_user: Any, asks: None) -> None:
    new_user()
    for number in range(30):
        assert _sign_in(_client(), f"user{number}", "wrong").status_code == 200
    assert _sign_in(_client()).status_code == 429


def test_a_forwarded_address_does_not_help_who_guesses(new_user: Any, asks: None) -> None:
    new_user()
    codes = [
        _client()
        .post(
            "/login/",
            {"username": "ada", "password": "wrong"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        )
        .status_code
        for number in range(6)
    ]
    assert codes[-1] == 429


def test_a_session_from_before_the_login_is_worth_nothing(new_user: Any, asks: None) -> None:
    new_user()
    client = _client()
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    client.cookies["kinema_session"] = planted
    assert _sign_in(client).status_code == 302
    assert client.cookies["kinema_session"].value != planted
    other = _client()
    other.cookies["kinema_session"] = planted
    assert other.get("/").status_code == 302


def test_sessions_end_with_the_logout_the_password_and_the_user(new_user: Any, asks: None) -> None:
    from django.contrib.auth import get_user_model

    new_user()
    here, there = _client(), _client()
    assert (_sign_in(here).status_code, _sign_in(there).status_code) == (302, 302)
    fresh = "another long one 7"
    done = here.post(
        "/settings/password/", {"old_password": PASSWORD, "new_password1": fresh, "new_password2": fresh}
    )
    assert (done.status_code, done["Location"]) == (302, "/settings/")
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)
    assert here.get("/logout/").status_code == 405  # a link of another page signs nobody out
    kept = here.cookies["kinema_session"].value
    here.post("/logout/")
    again = _client()
    again.cookies["kinema_session"] = kept
    assert again.get("/").status_code == 302
    assert _sign_in(there, password=fresh).status_code == 302
    get_user_model().objects.update(is_active=False)
    assert there.get("/").status_code == 302
    assert _sign_in(_client(), password=fresh).status_code == 200  # the form again


def test_headers_keep_a_pages_powers_small(client: Any) -> None:
    answer = client.get("/")
    assert "camera=(self)" in answer["Permissions-Policy"]
    assert "geolocation=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "private, no-cache"
    assert "Strict-Transport-Security" not in answer
    assert "unsafe" not in answer["Content-Security-Policy"]
    over_tls = client.get("/", secure=True)
    assert over_tls["Strict-Transport-Security"] == "max-age=31536000"
    # All sites of a machine share that name.
    assert "Strict-Transport-Security" not in client.get("/", secure=True, headers={"Host": "localhost"})


def test_pages_and_the_admin_have_no_script_or_style_in_them(client: Any) -> None:
    inline = re.compile(
        r"<script(?![^>]*\b(?:src=|type=.application/json))[^>]*>|<style|\sstyle=\"|\son[a-z]+=\"|javascript:",
        re.IGNORECASE,
    )
    seen = 0
    for address in _walk():
        if "{}" in address:
            continue
        answer = client.get(address)
        if (
            answer.status_code == 200
            and not answer.streaming
            and answer["Content-Type"].startswith("text/html")
        ):
            seen += 1
            assert inline.search(answer.content.decode()) is None, address
    assert seen > 10


def test_static_files_with_a_version_are_kept_and_others_asked_for_again(client: Any) -> None:
    page = client.get("/").content.decode()
    address = re.search(r"/static/kinema/site\.css\?v=[0-9a-f]{10}", page)
    assert address is not None
    assert client.get(address[0])["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "immutable" not in client.get("/static/kinema/site.css?v=0000000000")["Cache-Control"]
    script = client.get("/static/kinema/site.js")
    assert script["Cache-Control"] == "max-age=0, public"
    again = client.get("/static/kinema/site.js", headers={"If-None-Match": script["ETag"]})
    assert again.status_code == 304


def test_errors_have_words(client: Any) -> None:
    from django.test import override_settings

    assert b"Nothing here" in client.get("/no/such/page/").content
    wrong = client.get("/logout/")
    assert (wrong.status_code, wrong["Allow"]) == (405, "POST, OPTIONS")
    assert b"another method" in wrong.content
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        large = client.post("/settings/tokens/", {"name": "x" * 100})
    assert (large.status_code, b"Too large" in large.content) == (413, True)


def test_who_has_not_signed_in_cannot_send_large_things(new_user: Any, asks: None) -> None:
    from asgiref.sync import async_to_sync
    from asgiref.testing import ApplicationCommunicator

    from kinema.web.asgi import application

    async def ask(headers: list[tuple[bytes, bytes]]) -> int:
        scope = {
            "type": "http", "method": "POST", "path": "/login/", "query_string": b"", "root_path": "", "scheme": "http",
            "headers": [(b"host", b"testserver"), *headers], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "http_version": "1.1",
        }  # fmt: skip
        communicator = ApplicationCommunicator(application, scope)
        # No body is sent: an answer means that none was waited for.
        return int((await communicator.receive_output(10))["status"])

    large = (b"content-length", str(2 << 20).encode())
    new_user()
    client = _client()
    _sign_in(client)
    cookie = (b"cookie", f"kinema_session={client.cookies['kinema_session'].value}".encode())
    assert async_to_sync(ask)([large]) == 413
    assert async_to_sync(ask)([(b"transfer-encoding", b"chunked")]) == 413
    assert async_to_sync(ask)([large, (b"cookie", b"kinema_session=guessed")]) == 413
    with pytest.raises(TimeoutError):  # taken: it waits for the body
        async_to_sync(_asked_shortly)(ask, [large, cookie])


async def _asked_shortly(ask: Any, headers: list[tuple[bytes, bytes]]) -> None:
    import asyncio

    await asyncio.wait_for(ask(headers), 1.0)

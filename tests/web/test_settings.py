"""Settings: receivers that the library reads, rules as sinks, tests of receivers, thresholds, users, tokens."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
def receiving() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a webhook's receiver on this machine, and what it was sent."""
    taken: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", taken
    server.shutdown()
    server.server_close()


def _receiver(client: Any, kind: str, **values: Any) -> Any:
    return client.post(f"/settings/alerts/new/{kind}/", {"enabled": "on", **values})


def _stored() -> Any:
    from kinema.web.base.models import Receiver

    return Receiver.objects.get()


def test_a_mailbox_keeps_what_differs_from_the_defaults(client: Any) -> None:
    answer = _receiver(
        client, "mail", name="Guard", to="guard@example.org\nother@example.org", host="smtp.example.org", port="2525",
        security="tls", thumbnail="on", most="5", within="600", digest_every="600", timeout="30", expire_days="7",
    )  # fmt: skip
    assert answer.status_code == 302
    assert _stored().settings == {
        "to": ["guard@example.org", "other@example.org"],
        "host": "smtp.example.org",
        "port": 2525,
        "security": "tls",
    }


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("mail", {"to": "nobody", "host": "h"}, "give to and sender as name@example.org"),
        ("mail", {"to": "", "host": "h"}, "This field is required."),
        ("webhook", {"url": "https://me:pw@example.org/x", "thumbnail": "none"}, "url holds a password or key"),
        ("webhook", {"url": "https://example.org/x?token=1", "thumbnail": "none"}, "url holds a password or key"),
        ("webhook", {"url": "example.org", "thumbnail": "none"}, "url is no address"),
        ("webhook", {"url": "https://example.org", "thumbnail": "none", "signed": "on"}, "set KINEMA_WEBHOOK_SECRET"),
        ("mqtt", {"host": "mqtt.example.org", "port": "99999", "prefix": "kinema"}, "give a port between 1 and 65535"),
        ("mqtt", {"host": "mqtt.example.org", "prefix": "a/#"}, "give a topic without + and #"),
    ],
)  # fmt: skip
def test_what_the_library_refuses_is_refused_in_its_words(
    client: Any, kind: str, values: dict[str, str], said: str
) -> None:
    usual = {
        "most": "5",
        "within": "600",
        "digest_every": "600",
        "timeout": "10",
        "expire_days": "7",
        "security": "tls",
    }
    answer = _receiver(client, kind, name="x", **{**usual, **values})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    from kinema.web.base.models import Receiver

    assert not Receiver.objects.exists()


def test_no_field_of_a_receiver_takes_a_secret_or_a_path(client: Any) -> None:
    for kind in ("mail", "webhook", "mqtt"):
        page = client.get(f"/settings/alerts/new/{kind}/").content.decode()
        assert 'name="password"' not in page
        assert 'name="folder"' not in page
    answer = _receiver(
        client,
        "mqtt",
        name="x",
        host="mqtt.example.org",
        prefix="kinema",
        expire_days="7",
        ca_file="../secret-key",
    )
    assert (answer.status_code, "not one of the available choices" in answer.content.decode()) == (422, True)


def test_a_test_is_sent_and_its_answer_shown(
    client: Any, receiving: tuple[str, list[dict[str, Any]]]
) -> None:
    address, taken = receiving
    assert (
        _receiver(
            client, "webhook", name="Chat", url=address, thumbnail="none", timeout="10", expire_days="7"
        ).status_code
        == 302
    )
    page = client.post(f"/settings/alerts/{_stored().pk}/test/", follow=True).content.decode()
    assert "Chat: http://127.0.0.1 takes a ping (not signed)" in page
    assert [sent["type"] for sent in taken] == ["ping"]
    assert (_stored().tested_well, _stored().said) == (
        True,
        "Chat: http://127.0.0.1 takes a ping (not signed)",
    )


def test_a_test_that_fails_says_why(client: Any) -> None:
    # Port 9 of this machine: nobody listens.
    _receiver(
        client,
        "webhook",
        name="Chat",
        url="http://127.0.0.1:9/",
        thumbnail="none",
        timeout="10",
        expire_days="7",
    )
    answer = client.post(
        f"/settings/alerts/{_stored().pk}/test/", headers={"Accept": "application/json"}
    ).json()
    assert answer["well"] is False
    assert answer["said"].startswith("Chat: http://127.0.0.1 cannot be reached (")


def test_a_test_of_a_mailbox_is_a_mail(client: Any) -> None:
    controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed")
    mails: list[Any] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            mails.append((envelope.rcpt_tos, envelope.content))
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = controller.Controller(Handler(), hostname="127.0.0.1", port=port)
    running.start()
    try:
        _receiver(
            client, "mail", name="Guard", to="guard@example.org", host="127.0.0.1", port=str(port), security="none",
            most="5", within="600", digest_every="600", timeout="30", expire_days="7",
        )  # fmt: skip
        page = client.post(f"/settings/alerts/{_stored().pk}/test/", follow=True).content.decode()
    finally:
        running.stop()
    assert "took a test mail (unencrypted)" in page
    assert mails[0][0] == ["guard@example.org"]
    assert b"kinema: test of alerts" in mails[0][1]


def test_rules_become_sinks_of_the_labels_an_engine_knows(client: Any) -> None:
    from kinema.streaming.sinks import MqttSink, WebhookSink
    from kinema.web.base import alerts
    from kinema.web.base.models import AlertRule, Receiver

    hook = Receiver.objects.create(
        name="Chat", kind="webhook", settings={"url": "https://example.org/x", "signed": False}
    )
    broker = Receiver.objects.create(name="Home", kind="mqtt", settings={"host": "mqtt.example.org"})
    off = Receiver.objects.create(name="Off", kind="mqtt", settings={"host": "x.example.org"}, enabled=False)
    AlertRule.objects.create(receiver=hook, labels=["fall", "jump"])
    AlertRule.objects.create(receiver=hook, labels=["climb"], when="begin")
    AlertRule.objects.create(receiver=broker, when="both")
    AlertRule.objects.create(receiver=broker, recognizer="other-123")
    AlertRule.objects.create(receiver=broker, enabled=False)
    AlertRule.objects.create(receiver=off)
    found = alerts.sinks(["jump", "sit", "wave"])
    assert [(type(sink), sink.name) for sink in found] == [(WebhookSink, "Chat"), (MqttSink, "Home")]
    assert (found[0]._labels, found[0]._when, found[1]._when) == (("jump",), "end", "both")
    assert [sink.name for sink in alerts.sinks(["climb"], "other-123")] == ["Chat", "Home", "Home (2)"]
    for sink in found:
        sink.close()


def test_a_receiver_that_does_not_work_does_not_stop_the_others(client: Any) -> None:
    from kinema.web.base import alerts
    from kinema.web.base.models import AlertRule, Receiver

    for name, settings in (("A", {"host": "a b"}), ("B", {"host": "mqtt.example.org"})):
        AlertRule.objects.create(receiver=Receiver.objects.create(name=name, kind="mqtt", settings=settings))
    assert [sink.name for sink in alerts.sinks()] == ["B"]


def test_the_rules_are_a_file_that_watch_reads(client: Any, tmp_path: Any) -> None:
    from kinema.streaming.sinks import read_sinks
    from kinema.web.base.models import AlertRule, Receiver

    hook = Receiver.objects.create(
        name='A "quoted" name', kind="webhook", settings={"url": "https://example.org/x", "signed": False}
    )
    AlertRule.objects.create(receiver=hook, labels=["fall"])
    AlertRule.objects.create(receiver=hook)
    answer = client.get("/settings/alerts/alerts.toml")
    path = tmp_path / "alerts.toml"
    path.write_bytes(answer.content)
    assert [sink.name for sink in read_sinks(path)] == ['A "quoted" name (1)', 'A "quoted" name (2)']


def test_thresholds_change_the_events_of_one_recognizer(client: Any) -> None:
    from kinema.web.base.alerts import event_rules
    from kinema.web.recognizers import recognizers

    (choice,) = recognizers()
    assert (event_rules(choice).default.enter, event_rules(choice).labels) == (0.6, ())
    values = {
        "enter": "0.9", "leave": "0.5", "min_seconds": "1", "consecutive": "3", "merge_gap": "0", "cooldown": "30",
        "smoothing": "median", "smoothing_seconds": "1", "unknown": "0.2", "labels": ["jump", "wave"],
    }  # fmt: skip
    assert client.post(f"/settings/thresholds/{choice.key}/", values).status_code == 302
    rules = event_rules(choice)
    assert (rules.default.enter, rules.default.cooldown, rules.smoothing, rules.labels) == (
        0.9,
        30.0,
        "median",
        ("jump", "wave"),
    )
    wrong = client.post(f"/settings/thresholds/{choice.key}/", {**values, "leave": "0.95"})
    assert (wrong.status_code, "not above enter (0.9)" in wrong.content.decode()) == (422, True)
    none = client.post(f"/settings/thresholds/{choice.key}/", {**values, "labels": []})
    assert (none.status_code, "At least one" in none.content.decode()) == (422, True)
    client.post(f"/settings/thresholds/{choice.key}/", {"reset": "1"})
    assert event_rules(choice).default.enter == 0.6


def test_thresholds_for_classes_that_are_gone_are_not_taken(client: Any) -> None:
    from kinema.web.base.alerts import event_rules
    from kinema.web.base.models import Thresholds
    from kinema.web.recognizers import recognizers

    (choice,) = recognizers()
    Thresholds.objects.create(recognizer=choice.key, rules={"labels": ["swim"], "default": {"enter": 0.9}})
    assert event_rules(choice).default.enter == 0.6


def test_users_are_added_switched_off_and_given_roles(client: Any) -> None:
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    for values, said in (
        ({"username": "grace", "password": "12345678", "role": "reviewers"}, "too common"),
        ({"username": "grace", "password": "graceful", "role": "chief"}, "not one of the available choices"),
        ({"username": "local", "password": PASSWORD, "role": "admins"}, "This name is taken."),
        ({"username": "a b", "password": PASSWORD, "role": "admins"}, "Enter a valid username"),
    ):
        answer = client.post("/settings/users/", values)
        assert (answer.status_code, said in answer.content.decode()) == (422, True), said
    assert (
        client.post(
            "/settings/users/", {"username": "ada", "password": PASSWORD, "role": "admins"}
        ).status_code
        == 302
    )
    client.post("/settings/users/", {"username": "grace", "password": PASSWORD, "role": "reviewers"})
    ada, grace = users.get(username="ada"), users.get(username="grace")
    assert (ada.is_superuser, grace.is_superuser, grace.is_staff) == (True, False, False)
    assert [group.name for group in grace.groups.all()] == ["reviewers"]
    said = client.post(f"/settings/users/{ada.pk}/", {"active": "off"}, follow=True).content.decode()
    assert "ada is the only admin" in said
    client.post(f"/settings/users/{grace.pk}/", {"role": "admins"})
    client.post(f"/settings/users/{ada.pk}/", {"active": "off"})
    ada.refresh_from_db()
    grace.refresh_from_db()
    assert (ada.is_active, grace.is_superuser) == (False, True)
    assert [group.name for group in grace.groups.all()] == ["admins"]
    fresh = "some other words"
    client.post(f"/settings/users/{grace.pk}/password/", {"password1": fresh, "password2": fresh})
    grace.refresh_from_db()
    assert grace.check_password(fresh)


def test_a_token_is_shown_once_and_kept_as_a_hash(client: Any) -> None:
    from kinema.web.base.models import ApiToken

    answer = client.post("/settings/tokens/", {"name": "a script"})
    found = re.search(r'id="new-token">(kinema_[\w-]{43})<', answer.content.decode())
    assert found is not None
    text = found[1]
    assert ("no-store" in answer["Cache-Control"], answer.content.decode().count(text)) == (True, 2)
    stored = ApiToken.objects.get()
    assert text not in json.dumps(
        {field.name: str(getattr(stored, field.name)) for field in ApiToken._meta.fields}
    )
    assert text not in client.get("/settings/tokens/").content.decode()

"""A file of alerts makes sinks; mistakes in it are named, and it holds no secret."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import DataError, UsageError
from kinema.streaming.sinks.delivering import unclaimed
from kinema.streaming.sinks.outbox import OUTBOX_FILE, Outbox
from kinema.streaming.sinks.settings import read_sinks


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_WEBHOOK_SECRET", "whsec")
    for name in ("KINEMA_SMTP_USER", "KINEMA_SMTP_PASSWORD", "KINEMA_MQTT_USER", "KINEMA_WEBHOOK_URL"):
        monkeypatch.delenv(name, raising=False)


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    return path


def test_each_table_is_a_sink(tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason="needs kinema[live]")
    pytest.importorskip("paho.mqtt.client", reason="needs kinema[live]")
    path = _write(
        tmp_path,
        """
[[mail]]
to = ["guard@example.org", "boss@example.org"]
host = "smtp.example.org"
labels = ["fall"]
within = 300
[[mail]]
to = "night@example.org"
host = "localhost"
security = "none"
[webhook]
url = "https://example.org/kinema"
thumbnail = "base64"
[mqtt]
host = "broker.example.org"
tls = true
[log]
path = "events.jsonl"
begins = true
[rows]
megabytes = 10
""",
    )
    sinks = read_sinks(path, tmp_path)
    assert [type(sink).__name__ for sink in sinks] == [
        *("MailSink", "MailSink", "WebhookSink", "MqttSink", "EventLog", "RowLog")
    ]
    assert [repr(sink) for sink in sinks[:2]] == [
        "MailSink('mail to guard@example.org and 1 more', smtp.example.org:587, starttls)",
        "MailSink('mail to night@example.org', localhost:25, none)",
    ]
    assert repr(sinks[3]) == "MqttSink(broker.example.org:8883, prefix='kinema')"
    assert read_sinks(_write(tmp_path, "")) == []


MAIL = '[mail]\nto = "a@example.org"\nhost = "h"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mial]\n", r"alerts\.toml: unknown table \[mial\]: did you mean 'mail'\?"),
        (
            MAIL + 'lables = ["fall"]',
            r"alerts\.toml: \[mail\] unknown setting 'lables': did you mean 'labels'\?",
        ),
        ('[mail]\nto = "a@example.org"', r"\[mail\] host is missing"),
        (MAIL + 'port = "25"', r"\[mail\] port = '25': give a whole number"),
        (MAIL + "thumbnail = 1", r"\[mail\] thumbnail = 1: give true or false"),
        (MAIL + 'when = "never"', r"\[mail\] when = 'never': give one of end, begin, both"),
        (MAIL + "labels = [1]", r'\[mail\] labels = \[1\]: give .*a list of texts, as \["one", "two"\]'),
        (MAIL + 'security = "ssl"', r"\[mail\] security = 'ssl'"),
        (MAIL + 'folder = "/tmp"', r"\[mail\] unknown setting 'folder'"),
        ('mail = "a@example.org"', r"\[mail\] is no table"),
        ("[mail\n", r"alerts\.toml: is no TOML"),
        ('[[log]]\npath = "a.txt"', r"\[\[log\]\] 1: a\.txt: events are written as"),
        ("[[rows]]\n[[rows]]\n", r"two receivers are called 'rows\.csv'; give one of them another name"),
    ],
)
def test_mistakes_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_sinks(_write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "setting", "mend"),
    [
        (MAIL + 'password = "hunter22"', "password", "KINEMA_SMTP_PASSWORD, or store it in the keyring"),
        (MAIL + 'smtp_pass = "hunter22"', "smtp_pass", "KINEMA_SMTP_PASSWORD"),
        (MAIL + 'user = "hunter22"', "user", "KINEMA_SMTP_USER"),
        (MAIL + 'account = "office"\npassword = "hunter22"', "password", "KINEMA_SMTP_OFFICE_PASSWORD"),
        ('[webhook]\nurl = "https://a.org"\nsecret = "hunter22"', "secret", "KINEMA_WEBHOOK_SECRET"),
        ('[webhook]\napi_key = "hunter22"', "api_key", "KINEMA_WEBHOOK_SECRET"),
        ('[webhook]\nurl = "https://me:hunter22@a.org"', "url", "KINEMA_WEBHOOK_URL"),
        ('[webhook]\nurl = "https://a.org/x?token=hunter22"', "url", "KINEMA_WEBHOOK_URL"),
        ('[mqtt]\nhost = "b"\npassword = "hunter22"', "password", "KINEMA_MQTT_PASSWORD"),
    ],
)
def test_a_secret_in_the_file_is_refused(text: str, setting: str, mend: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_sinks(_write(tmp_path, text))
    assert setting in str(caught.value)
    assert mend in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none\.toml: cannot be read: No such file or directory; check the path"
    ):
        read_sinks(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.toml: is no TOML"):
        read_sinks(tmp_path / "binary.toml")


def test_a_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageError) as caught:
        read_sinks(_write(tmp_path, '[mqtt]\nhost = "b"'))
    assert str(caught.value) == "MQTT needs the live extra; pip install 'kinema[live]'"
    for module in ("httpx", "paho", "keyring"):  # mail and files need none
        monkeypatch.setitem(sys.modules, module, None)
    assert len(read_sinks(_write(tmp_path, MAIL + "[log]\n[rows]\n"))) == 3


def test_the_outbox_is_where_the_caller_says(tmp_path: Path) -> None:
    sinks: Any = read_sinks(_write(tmp_path, MAIL), tmp_path / "results")
    assert sinks[0]._folder == tmp_path / "results"
    assert unclaimed(tmp_path / "results", sinks) == []
    box = Outbox(tmp_path / "results")
    box.add("mail to a@example.org", {})
    box.add("mail to old@example.org", {})
    box.close()
    assert unclaimed(tmp_path / "results", sinks) == [
        f"{tmp_path / 'results' / OUTBOX_FILE}: 1 alert for 'mail to old@example.org' waits; no sink of this start is called so"
    ]

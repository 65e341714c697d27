"""Alerts by mail arrive, once, at real servers, with what S2's mails held and a picture."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.events import Event
from kinema.streaming import Notice, StreamInfo
from kinema.streaming.sinks.mail import MailSink
from kinema.streaming.sinks.outbox import OUTBOX_FILE, Outbox
from kinema.streaming.sinks.runner import SinkRunner

JPEG = b"\xff\xd8\xff\xe0 a synthetic picture \xff\xd9"
GUARD = "guard@example.org"


def _sink(port: int, to: Any = GUARD, **settings: Any) -> MailSink:
    return MailSink(to, "127.0.0.1", port, "kinema@example.org", "none", **{"timeout": 5.0, **settings})


def _run(sink: MailSink, info: StreamInfo) -> tuple[SinkRunner, list[str]]:
    told: list[str] = []

    def tell(notice: Notice) -> None:
        told.append(notice.text)

    runner = SinkRunner(sink, tell)
    runner.open(info)
    return runner, told


def _part(mail: EmailMessage, kind: str) -> Any:
    return next(part for part in mail.walk() if part.get_content_type() == kind).get_content()


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINEMA_SMTP_USER", "KINEMA_SMTP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_a_mail_says_what_happened_and_shows_it(
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    server = mail_server()
    assert info.folder is not None
    (info.folder / "thumbnails").mkdir(parents=True)
    (info.folder / "thumbnails" / "a.jpg").write_bytes(JPEG)
    runner, told = _run(_sink(server.port), info)
    address = "rtsp://admin:hunter2@10.0.0.7/door"
    runner.event(event(source=address, began_at="2026-05-21T09:30:02+00:00", thumbnail="thumbnails/a.jpg"))
    assert runner.close(10) == 0
    (mail,), ((sender, to, raw),) = server.mails, server.raw
    assert (sender, to) == ("kinema@example.org", [GUARD])
    assert (mail["From"], mail["To"]) == ("kinema@example.org", GUARD)
    assert mail["Subject"] == "kinema: fall at 10.0.0.7/door (2.5 s)"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.org>")
    assert b"hunter2" not in raw
    assert _part(mail, "text/plain").replace("\r\n", "\n").strip() == (
        "label         fall\n"
        "source        rtsp://10.0.0.7/door\n"
        "start         2026-05-21 09:30:02 UTC (2.000 s from the beginning)\n"
        "seconds       2.500\n"
        "frames        25\n"
        "probability   mean 0.850, peak 0.970 at 3.250 s\n"
        "difference    0.750 (fall over walk)\n"
        "\n"
        "mean probability of each class\n"
        "fall    0.850\n"
        "walk    0.100\n"
        "fight   0.050"
    )
    assert mail.get_content_type() == "multipart/alternative"
    related = mail.get_payload(1)
    assert related.get_content_type() == "multipart/related"
    page, picture = related.get_payload()
    assert picture.get_content() == JPEG
    assert f"cid:{picture['Content-ID'][1:-1]}" in page.get_content()
    assert told == []
    assert Outbox(info.folder).channels() == {}


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_goes_encrypted_and_logged_in(
    tls: str,
    mail_server: Callable[..., Any],
    certificates: Any,
    info: StreamInfo,
    event: Callable[..., Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = mail_server(tls, {"robot@example.org": "hunter22"})
    monkeypatch.setenv("KINEMA_SMTP_USER", "robot@example.org")
    monkeypatch.setenv("KINEMA_SMTP_PASSWORD", "hunter22")
    sink = MailSink(GUARD, "localhost", server.port, None, tls, ca_file=certificates.authority)
    how = {"starttls": "STARTTLS", "tls": "TLS"}[tls]
    line = f"mail to {GUARD}: localhost:{server.port} takes mail ({how}, user robot@example.org)"
    assert sink.check() == line
    runner, told = _run(sink, info)
    runner.event(event())
    runner.close(10)
    assert [mail["From"] for mail in server.mails] == ["robot@example.org"]
    assert set(server.logins) == {"robot@example.org"}
    assert told == []
    assert "hunter22" not in repr(sink) + str(vars(sink))


def test_a_wrong_password_is_told_once_and_the_alert_is_kept(
    mail_server: Callable[..., Any],
    certificates: Any,
    info: StreamInfo,
    event: Callable[..., Event],
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> None:
    server = mail_server("starttls", {"robot": "right password"})
    monkeypatch.setenv("KINEMA_SMTP_USER", "robot")
    monkeypatch.setenv("KINEMA_SMTP_PASSWORD", "wrong-password-of-mine")
    settings: dict[str, Any] = {"ca_file": certificates.authority}
    sink = MailSink(GUARD, "localhost", server.port, "kinema@example.org", **settings)
    runner, told = _run(sink, info)
    wait_for(lambda: told)
    runner.event(event())
    runner.event(event(id="second"))
    runner.close(5)
    refusal = (
        f"mail to {GUARD}: localhost:{server.port} refuses the user or password (535 5.7.8 Authentication credentials "
        "invalid); check KINEMA_SMTP_USER and KINEMA_SMTP_PASSWORD"
    )
    assert info.folder is not None
    assert told == [
        f"{refusal}; what waits is tried again until it arrives",
        f"mail to {GUARD}: 2 alerts wait in {info.folder / OUTBOX_FILE} for the next start",
    ]
    assert len(server.logins) <= 2  # one try, of two mechanisms: servers lock accounts
    for path in info.folder.iterdir():
        assert b"wrong-password-of-mine" not in path.read_bytes()
    with pytest.raises(Exception, match="refuses the user or password") as caught:
        sink.check()
    assert str(caught.value) == refusal

    monkeypatch.setenv("KINEMA_SMTP_PASSWORD", "right password")  # mended: the next start delivers
    runner, told = _run(MailSink(GUARD, "localhost", server.port, "kinema@example.org", **settings), info)
    wait_for(lambda: len(server.raw) == 2)
    runner.close(5)
    assert told == []


def test_a_certificate_of_nobody_is_refused(
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server("starttls")
    sink = MailSink(GUARD, "localhost", server.port, "kinema@example.org")
    runner, told = _run(sink, info)
    runner.event(event())
    wait_for(lambda: told)
    runner.close(5)
    assert "shows a certificate that is not trusted (unable to get local issuer certificate)" in told[0]
    assert "set ca_file" in told[0]
    assert len(told) == 2  # and that it waits
    assert server.raw == []


def test_nothing_falls_back_to_less_than_starttls(
    mail_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mail_server()
    sink = MailSink(GUARD, "127.0.0.1", server.port, security="starttls")
    with pytest.raises(Exception, match=r"offers no STARTTLS; use security = 'tls', or 'none'"):
        sink.check()
    with pytest.raises(Exception, match=r"refuses TLS .*security = 'starttls'"):
        MailSink(GUARD, "127.0.0.1", server.port, security="tls").check()
    monkeypatch.setenv("KINEMA_SMTP_USER", "robot")
    monkeypatch.setenv("KINEMA_SMTP_PASSWORD", "hunter22")
    with pytest.raises(UsageError, match=r"the password would go unencrypted to mail\.example\.org"):
        MailSink(GUARD, "mail.example.org", security="none")
    MailSink(GUARD, "localhost", security="none")


def test_a_password_that_is_missing_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("KINEMA_SMTP_USER", "robot")
    monkeypatch.setitem(sys.modules, "keyring", None)
    message = (
        "KINEMA_SMTP_PASSWORD is not set, and the keyring needs the live extra; pip install 'kinema[live]'"
    )
    with pytest.raises(UsageError) as caught:
        MailSink(GUARD, "smtp.example.org")
    assert str(caught.value) == message


def test_the_password_may_be_in_the_keyring(
    mail_server: Callable[..., Any], certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = pytest.importorskip("keyring", reason="needs kinema[live]")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):  # type: ignore[misc]
        priority = 1  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            return {("kinema-smtp", "robot"): "from the keyring"}.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        server = mail_server("starttls", {"robot": "from the keyring"})
        monkeypatch.setenv("KINEMA_SMTP_USER", "robot")
        sink = MailSink(GUARD, "localhost", server.port, GUARD, ca_file=certificates.authority)
        assert "takes mail (STARTTLS, user robot)" in sink.check()
        monkeypatch.setenv("KINEMA_SMTP_USER", "nobody")
        with pytest.raises(
            UsageError, match="set KINEMA_SMTP_PASSWORD, or store it: keyring set kinema-smtp nobody"
        ):
            MailSink(GUARD, "localhost", server.port)
    finally:
        keyring.set_keyring(before)


def test_an_unreachable_host_is_told_once_and_mail_follows_when_it_is_back(
    free_port: int,
    fast: None,
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    runner, told = _run(_sink(free_port), info)
    for number in range(3):
        runner.event(event(id=str(number)))
    wait_for(lambda: told)
    time.sleep(0.4)
    name = f"mail to {GUARD}"
    down = (
        f"{name}: 127.0.0.1:{free_port} refuses the connection; check host and port; "
        "what waits is tried again until it arrives"
    )
    assert told == [down]
    server = mail_server(port=free_port)
    wait_for(lambda: len(server.raw) == 3)
    wait_for(lambda: len(told) == 2)
    assert told == [down, f"{name}: arrives again"]
    assert len({mail["Message-ID"] for mail in server.mails}) == 3
    runner.close(5)
    with pytest.raises(Exception, match=r"no-such-host\.invalid:25 is unknown: no such host"):
        MailSink(GUARD, "no-such-host.invalid", security="none").check()


def test_a_mail_keeps_its_message_id_over_tries(
    fast: None,
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server()
    server.answers = ["451 4.3.0 try later", "421 4.3.2 closing"]
    sink = _sink(server.port)
    keys: list[str] = []
    deliver = sink.deliver
    sink.deliver = lambda item: (keys.append(item.key), deliver(item))[1]  # type: ignore[method-assign]
    runner, told = _run(sink, info)
    runner.event(event())
    wait_for(lambda: server.raw)
    runner.close(5)
    assert len(keys) == 3 and len(set(keys)) == 1
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{keys[0]}@example.org>"]
    assert told[0].endswith(
        "does not take the mail now (451 4.3.0 try later); what waits is tried again until it arrives"
    )


def test_refusals_for_good_are_not_tried_again(
    fast: None,
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server()
    server.recipients = {GUARD: "554 5.7.1 Relay access denied"}
    sink = _sink(server.port)
    relay = (
        f"mail to {GUARD}: 127.0.0.1:{server.port} refuses mail for {GUARD} (554 5.7.1 Relay access denied); "
        "it does not relay for strangers: log in, or use your provider's host"
    )
    with pytest.raises(Exception, match="Relay access denied") as caught:
        sink.check()
    assert str(caught.value) == relay
    runner, told = _run(sink, info)
    wait_for(lambda: told)
    assert told == [relay]
    runner.event(event())
    assert info.folder is not None
    box = Outbox(info.folder)
    wait_for(lambda: box.failed(sink.name))
    runner.close(5)
    assert told[1:] == [f"{relay}; kept as failed in {info.folder / OUTBOX_FILE}"]
    assert server.raw == []


def test_one_of_several_recipients_is_refused(
    fast: None,
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server()
    server.recipients = {
        "gone@example.org": "550 5.1.1 no such user",
        "full@example.org": "452 4.2.2 mailbox full",
    }
    runner, told = _run(_sink(server.port, [GUARD, "gone@example.org", "full@example.org"]), info)
    wait_for(lambda: told)
    told.clear()
    runner.event(event())
    wait_for(lambda: told)
    server.recipients = {"gone@example.org": "550 5.1.1 no such user"}
    wait_for(lambda: len(server.raw) == 2)
    runner.close(5)
    assert [to for _, to, _ in server.raw] == [[GUARD], ["full@example.org"]]
    assert "does not take mail for full@example.org now (452 4.2.2 mailbox full)" in told[0]


def test_several_mails_go_over_one_connection(
    mail_server: Callable[..., Any], info: StreamInfo, event: Callable[..., Event], tmp_path: Path
) -> None:
    server = mail_server()
    assert info.folder is not None
    box = Outbox(info.folder)
    sink = _sink(server.port)
    for number in range(4):
        box.add(sink.name, {"kind": "event", "event": event(id=str(number)).to_dict(), "thumbnail": None})
    box.close()
    sink.greet = lambda: None  # type: ignore[method-assign]
    runner, _ = _run(sink, info)
    runner.close(10)
    assert (len(server.raw), server.connections) == (4, 1)


def test_mails_that_come_thick_become_a_digest(
    mail_server: Callable[..., Any],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server()
    runner, _ = _run(_sink(server.port, most=2, within=60.0, digest_every=1.0), info)
    for number in range(7):
        label = "fight" if number == 6 else "fall"
        runner.event(event(id=str(number), label=label, start=float(number), end=number + 1.25))
    wait_for(lambda: len(server.raw) == 3)
    subjects = [mail["Subject"] for mail in server.mails]
    assert subjects == [
        "kinema: fall at door.mp4 (1.2 s)",
        "kinema: fall at door.mp4 (1.2 s)",
        "kinema: 5 events (fall 4, fight 1)",
    ]
    text = _part(server.mails[2], "text/plain")
    for start in ("2.000", "3.000", "4.000", "5.000", "6.000"):
        assert f"{start} s from the beginning" in text
    assert text.count("difference") == 5

    for number in range(7, 10):  # still thick: what is held goes out when the engine ends
        runner.event(event(id=str(number), start=float(number), end=number + 1.0))
    assert runner.close(10) == 0
    assert [mail["Subject"] for mail in server.mails[3:]] == ["kinema: 3 events (fall 3)"]


def test_a_digest_that_was_held_survives_a_kill(
    mail_server: Callable[..., Any],
    info: StreamInfo,
    child: Callable[[str], subprocess.Popen[str]],
    wait_for: Callable[..., None],
) -> None:
    server = mail_server()
    program = _program(info, server.port, 4, "most=1, digest_every=2.0")
    process = child(program)
    wait_for(lambda: len(server.raw) == 1)
    time.sleep(0.3)
    process.kill()
    process.wait()
    runner, _ = _run(_sink(server.port), info)
    wait_for(lambda: len(server.raw) == 2)
    runner.close(5)
    assert server.mails[1]["Subject"] == "kinema: 3 events (fall 3)"


def _program(info: StreamInfo, port: int, count: int, settings: str = "") -> str:
    return f"""
import time
from pathlib import Path
from kinema.events import Event, EventRules
from kinema.streaming import StreamInfo
from kinema.streaming.sinks.mail import MailSink
from kinema.streaming.sinks.runner import SinkRunner
sink = MailSink("guard@example.org", "127.0.0.1", {port}, "kinema@example.org", "none", {settings})
runner = SinkRunner(sink)
runner.open(StreamInfo(["walk", "fall"], ["door.mp4"], EventRules(), Path({str(info.folder)!r})))
for number in range({count}):
    runner.event(Event("fall", number, number + 1.0, 0.9, number, 0.8, id=f"event-{{number}}"))
while sink._outbox.channels().get(sink.name, 0) < {count} and {count} != 4: time.sleep(0.01)
print("waits", flush=True)
time.sleep(1000)
"""


def test_a_killed_process_loses_no_alert(
    free_port: int,
    mail_server: Callable[..., Any],
    info: StreamInfo,
    child: Callable[[str], subprocess.Popen[str]],
    wait_for: Callable[..., None],
) -> None:
    process = child(_program(info, free_port, 3))
    process.kill()
    process.wait()
    server = mail_server(port=free_port)
    runner, _ = _run(_sink(free_port), info)
    wait_for(lambda: len(server.raw) == 3)
    time.sleep(0.3)
    runner.close(5)
    starts = sorted(_part(mail, "text/plain").split("start ")[1].split()[0] for mail in server.mails)
    assert starts == ["0.000", "1.000", "2.000"]  # each once
    assert info.folder is not None
    assert Outbox(info.folder).channels() == {}


def test_a_thumbnail_may_appear_a_moment_later(
    mail_server: Callable[..., Any], info: StreamInfo, event: Callable[..., Event]
) -> None:
    server = mail_server()
    assert info.folder is not None
    runner, _ = _run(_sink(server.port), info)
    path = info.folder / "late.jpg"
    threading.Timer(0.4, lambda: path.write_bytes(JPEG)).start()
    runner.event(event(id="a", thumbnail="late.jpg"))
    time.sleep(0.6)
    runner.event(event(id="b", thumbnail="never.jpg"))
    runner.close(6)
    kinds = [[part.get_content_type() for part in mail.walk()] for mail in server.mails]
    assert ["image/jpeg" in found for found in kinds] == [True, False]


def test_only_wanted_events_are_mailed(
    mail_server: Callable[..., Any], info: StreamInfo, event: Callable[..., Event]
) -> None:
    server = mail_server()
    runner, _ = _run(_sink(server.port, labels=["fall"]), info)
    runner.event(event(ended=False))  # it begins
    runner.event(event(alert=False))  # silenced by a cooldown
    runner.event(event(label="fight"))
    runner.event(event(rows=7))
    runner.close(5)
    assert ["frames        7" in _part(mail, "text/plain") for mail in server.mails] == [True]

    server.raw.clear()
    runner, _ = _run(_sink(server.port, when="begin", name="begin"), info)
    runner.event(event(ended=False))
    runner.event(event())
    runner.close(5)
    assert [mail["Subject"] for mail in server.mails] == ["kinema: fall at door.mp4 (goes on)"]


def test_labels_that_make_no_events_stop_the_start(info: StreamInfo, free_port: int) -> None:
    with pytest.raises(UsageError, match="label 'fal': the recognizer does not know it; did you mean 'fall'"):
        _sink(free_port, labels=["fal"]).open(info)
    with pytest.raises(
        UsageError, match=r"label 'walk' makes no events by these rules; .*Known: fall, fight"
    ):
        _sink(free_port, labels=["walk"]).open(info)


def test_a_label_cannot_write_headers_or_html(
    mail_server: Callable[..., Any], info: StreamInfo, event: Callable[..., Event]
) -> None:
    server = mail_server()
    runner, _ = _run(_sink(server.port), info)
    runner.event(event(label="fall\r\nBcc: all@example.org", source="<script>{picture 0}\n"))
    runner.close(5)
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "kinema: fall Bcc: all@example.org at <script>{picture 0} (2.5 s)"
    assert "<script>" not in _part(mail, "text/html")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"to": "guard"}, "'guard' is no mail address"),
        ({"to": []}, "to is empty"),
        ({"to": "a@b.org\nBcc: c@d.org"}, "is no mail address"),
        ({"security": "startls"}, "did you mean 'starttls'"),
        ({"port": 70000}, "port = 70000: give a port between 1 and 65535"),
        ({"host": "smtp://mail.example.org"}, "give the name of a mail server"),
        ({"ca_file": "/nowhere.pem"}, "ca_file = /nowhere.pem: no certificates"),
        ({"when": "ends"}, "did you mean 'end'"),
        ({"most": -1}, "most = -1: give 0 or more"),
    ],
)
def test_wrong_settings_name_the_mend(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MailSink(**{"to": GUARD, "host": "smtp.example.org", **settings})


def test_a_test_mail_can_be_sent(mail_server: Callable[..., Any]) -> None:
    server = mail_server()
    sink = _sink(server.port)
    assert sink.check(send=True) == f"mail to {GUARD}: 127.0.0.1:{server.port} took a test mail (unencrypted)"
    assert [mail["Subject"] for mail in server.mails] == ["kinema: test of alerts"]


def test_a_server_that_never_answers_holds_up_nothing(
    info: StreamInfo, event: Callable[..., Event], wait_for: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        runner, told = _run(_sink(port, timeout=30.0), info)
        began = time.monotonic()
        for number in range(20):
            runner.event(event(id=str(number)))
        assert time.monotonic() - began < 5.0
        assert info.folder is not None
        box = Outbox(info.folder)
        wait_for(lambda: box.channels() == {f"mail to {GUARD}": 20})  # on disk, while the connection hangs
        began = time.monotonic()
        runner.close(0.5)
        assert time.monotonic() - began < 10.0
        assert told == [f"mail to {GUARD}: 20 alerts wait in {info.folder / OUTBOX_FILE} for the next start"]


def test_a_process_killed_while_a_mail_is_on_its_way_sends_it_again(
    info: StreamInfo,
    mail_server: Callable[..., Any],
    child: Callable[[str], subprocess.Popen[str]],
    wait_for: Callable[..., None],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = child(_program(info, port, 1))
        process.kill()
        process.wait()
    server = mail_server(port=port)
    runner, _ = _run(_sink(port), info)
    wait_for(lambda: server.raw)
    assert runner.close(5) == 0
    assert len(server.raw) == 1

"""What a real broker shows: retained state, labels on and off, events that outlive its absence."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.events import Event
from kinema.streaming import Notice, Row, StreamInfo
from kinema.streaming.sinks.mqtt import MqttSink
from kinema.streaming.sinks.runner import SinkRunner

paho = pytest.importorskip("paho.mqtt.client", reason="needs kinema[live]")


class _Listener:
    """Another program at the broker: all messages, and the newest of each topic; the broker keeps those of a `session`."""

    def __init__(self, port: int, session: str = "") -> None:
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, str, bool]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, session, clean_session=not session)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = lambda _client, _data, m: self.messages.append(
            (m.topic, m.payload.decode(), m.retain)
        )
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(60), "the broker does not answer"  # what comes before that is not for it

    def newest(self, topic: str) -> Any:
        found = [payload for name, payload, _ in self.messages if name == topic]
        return found[-1] if found else None

    def state(self, topic: str) -> dict[str, Any]:
        return json.loads(self.newest(topic) or "{}")  # type: ignore[no-any-return]

    def events(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for name, payload, _ in self.messages if name == topic]

    def arrived(self, topic: str) -> list[str]:
        """The ids of the events that came; what came twice under one delivery's id counts once."""
        return list({found["id"]: found["event"]["id"] for found in self.events(topic)}.values())


@pytest.fixture
def listen() -> Iterator[Callable[..., _Listener]]:
    open_: list[_Listener] = []

    def start(*settings: Any) -> _Listener:
        open_.append(_Listener(*settings))
        return open_[-1]

    yield start
    for listener in open_:
        listener.client.disconnect()
        listener.client.loop_stop()


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KINEMA_MQTT_USER", "KINEMA_MQTT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def _run(sink: MqttSink, info: StreamInfo) -> tuple[SinkRunner, list[str]]:
    told: list[str] = []
    runner = SinkRunner(sink, lambda notice: told.append(notice.text))
    runner.open(info)
    return runner, told


def _row(values: list[float], known: bool = True) -> Row:
    array = np.array(values, np.float32)
    return Row(0, "door.mp4", 0.0, array, array, True, known, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_broker_shows_state_labels_and_events(
    mosquitto: Callable[..., Any],
    listen: Callable[..., _Listener],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    port, _ = mosquitto()
    runner, told = _run(MqttSink("127.0.0.1", port, home_assistant=True), info)
    listener = listen(port)
    state, fall = "kinema/door-mp4/state", "kinema/door-mp4/fall"
    wait_for(lambda: listener.newest(fall) == "OFF" and listener.newest("kinema/door-mp4/fight") == "OFF")
    wait_for(lambda: listener.state(state))
    assert listener.state(state) == {"online": True, "label": None, "probability": 0.0, "active": []}
    late = listen(port)  # it sees what is retained
    wait_for(lambda: late.state(state) and late.newest(fall) == "OFF")
    assert all(retained for _, _, retained in late.messages)

    time.sleep(1.0)
    runner.row(_row([0.125, 0.75, 0.125]))
    wait_for(lambda: listener.state(state).get("label") == "fall")
    runner.event(event(ended=False))
    wait_for(lambda: listener.newest(fall) == "ON")
    wait_for(lambda: listener.state(state)["active"] == ["fall"])
    assert listener.state(state) == {"online": True, "label": "fall", "probability": 0.75, "active": ["fall"]}
    runner.event(event())
    wait_for(lambda: listener.newest(fall) == "OFF" and listener.state(state)["active"] == [])
    wait_for(lambda: len(listener.events("kinema/door-mp4/events")) == 2)
    begun, ended = listener.events("kinema/door-mp4/events")
    assert (begun["event"]["ended"], ended["event"]["ended"]) == (False, True)
    assert (ended["event"]["label"], ended["event"]["start"], ended["event"]["end"]) == ("fall", 2.0, 4.5)
    assert begun["id"] != ended["id"]

    announced = json.loads(listener.newest("homeassistant/binary_sensor/kinema_door-mp4_fall/config"))
    assert (announced["state_topic"], announced["availability_topic"]) == (fall, state)

    runner.notice(Notice("lost", "door.mp4", "gone", 0.0))
    wait_for(lambda: listener.state(state)["online"] is False)
    runner.notice(Notice("back", "door.mp4", "here", 0.0))
    wait_for(lambda: listener.state(state)["online"] is True)
    runner.event(event(ended=False))
    wait_for(lambda: listener.newest(fall) == "ON")
    assert runner.close(5) == 0
    wait_for(lambda: listener.newest(fall) == "OFF" and listener.state(state) == {"online": False})
    assert told == []


def test_the_broker_says_that_a_killed_process_is_gone(
    mosquitto: Callable[..., Any],
    listen: Callable[..., _Listener],
    child: Callable[[str], Any],
    wait_for: Callable[..., None],
) -> None:
    port, _ = mosquitto()
    process = child(f"""
import time
from kinema.events import EventRules
from kinema.streaming import StreamInfo
from kinema.streaming.sinks.mqtt import MqttSink
sink = MqttSink("127.0.0.1", {port})
sink.open(StreamInfo(["fall"], ["/a/door.mp4", "/b/door.mp4"], EventRules(), None))
print("open", flush=True)
time.sleep(1000)
""")
    listener = listen(port)
    topics = ["kinema/door-mp4/state", "kinema/door-mp4-2/state"]
    wait_for(lambda: all(listener.state(topic).get("online") for topic in topics))
    process.kill()
    wait_for(lambda: all(listener.state(topic) == {"online": False} for topic in topics))


def test_events_outlive_the_absence_of_the_broker(
    mosquitto: Callable[..., Any],
    listen: Callable[..., _Listener],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    port, stop = mosquitto()
    runner, told = _run(MqttSink("127.0.0.1", port), info)
    listener = listen(port, "watcher")
    topic = "kinema/door-mp4/events"
    runner.event(event(id="before"))
    wait_for(lambda: listener.events(topic))
    stop()
    time.sleep(0.2)
    runner.event(event(id="one", ended=False))
    runner.event(event(id="two", label="fight"))
    wait_for(lambda: told)
    mosquitto(port=port)
    wait_for(lambda: listener.arrived(topic) == ["before", "one", "two"], within=20)
    again = listen(port)
    wait_for(lambda: again.state("kinema/door-mp4/state").get("active") == ["fall"])
    wait_for(lambda: again.newest("kinema/door-mp4/fall") == "ON")
    runner.close(5)
    name = f"mqtt 127.0.0.1:{port}"
    assert told[0].startswith(f"{name}: 127.0.0.1:{port} ")
    assert told[1] == f"{name}: arrives again"


def test_events_wait_for_the_next_start(
    free_port: int,
    mosquitto: Callable[..., Any],
    listen: Callable[..., _Listener],
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    runner, told = _run(MqttSink("127.0.0.1", free_port), info)
    runner.event(event(id="kept"))
    wait_for(lambda: told)
    assert (
        f"127.0.0.1:{free_port} refuses the connection; check host and port, and that the broker runs"
        in told[0]
    )
    began = time.monotonic()
    runner.close(2)
    assert time.monotonic() - began < 3.0
    mosquitto(port=free_port)
    listener = listen(free_port)
    time.sleep(0.3)
    runner, _ = _run(MqttSink("127.0.0.1", free_port), info)
    wait_for(lambda: listener.events("kinema/door-mp4/events"))
    runner.close(3)
    assert [found["event"]["id"] for found in listener.events("kinema/door-mp4/events")] == ["kept"]


def test_a_password_is_asked_for_and_checked(
    mosquitto: Callable[..., Any],
    info: StreamInfo,
    monkeypatch: pytest.MonkeyPatch,
    wait_for: Callable[..., None],
) -> None:
    port, _ = mosquitto(users={"robot": "hunter22"})
    monkeypatch.setenv("KINEMA_MQTT_USER", "robot")
    monkeypatch.setenv("KINEMA_MQTT_PASSWORD", "hunter22")
    sink = MqttSink("127.0.0.1", port)
    assert sink.check() == f"mqtt 127.0.0.1:{port}: 127.0.0.1:{port} takes messages (unencrypted, user robot)"
    monkeypatch.setenv("KINEMA_MQTT_PASSWORD", "wrong-password")
    refusal = (
        rf"127\.0\.0\.1:{port} refuses the user or password \(Not authorized\); "
        "check KINEMA_MQTT_USER and KINEMA_MQTT_PASSWORD"
    )
    with pytest.raises(Exception, match=refusal):
        sink.check()
    runner, told = _run(MqttSink("127.0.0.1", port), info)
    wait_for(lambda: told)
    runner.close(2)
    assert len(told) == 1 and "refuses the user or password" in told[0]
    assert "wrong-password" not in told[0] + repr(sink)


def test_tls_is_verified(mosquitto: Callable[..., Any], certificates: Any) -> None:
    port, _ = mosquitto(tls=certificates)
    sink = MqttSink("localhost", port, tls=True, ca_file=certificates.authority)
    assert sink.check() == f"mqtt localhost:{port}: localhost:{port} takes messages (TLS)"
    with pytest.raises(Exception, match=r"shows a certificate that is not trusted .*set ca_file"):
        MqttSink("localhost", port, tls=True).check()


def test_wrong_settings_name_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="prefix = 'a/#': give a topic without"):
        MqttSink("localhost", prefix="a/#")
    with pytest.raises(UsageError, match="port = 0"):
        MqttSink("localhost", 0)
    with pytest.raises(UsageError, match="give the name of a broker"):
        MqttSink("mqtt://localhost")
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageError) as caught:
        MqttSink("localhost")
    assert str(caught.value) == "MQTT needs the live extra; pip install 'kinema[live]'"

"""MqttSink: the state of each source, retained, and its events, for home automation and other programs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks.base import StreamInfo
from kinema.streaming.sinks.courier import Later
from kinema.streaming.sinks.credentials import login
from kinema.streaming.sinks.delivering import DeliverySink, When
from kinema.streaming.sinks.delivery import Delivery
from kinema.streaming.sinks.mqtt_station import Broker, MqttStation
from kinema.streaming.sinks.smtp import is_loopback
from kinema.streaming.sinks.wording import short_source, shown_source, unique_parts

_STATE_EVERY = 1.0  # seconds between states that differ in the most probable class alone
_OFFLINE = json.dumps({"online": False})


@dataclass
class _Source:
    """What a broker is told about one source."""

    name: str
    topic: str
    station: MqttStation
    online: bool = True
    label: str | None = None
    probability: float = 0.0
    active: dict[str, str] = field(default_factory=dict)  # id of an event that goes on: its label
    told: float = 0.0
    shown: str | None = None


class MqttSink(DeliverySink):
    """Publishes to an MQTT broker (3.1.1), below `PREFIX/SOURCE`, where SOURCE is the source's name in a-z, 0-9 and hyphens:

    - `state` (retained): `{"online", "label", "probability", "active"}`; the broker sets `{"online": false}` when this
      process is gone; a lost camera is offline as well.
    - `LABEL` (retained): `ON` while an event of the label goes on, else `OFF`.
    - `events` (QoS 1): each event as JSON with `id` of the delivery, when it begins and when it ends (`when`); kept in the
      outbox while the broker is away.

    User and password come from KINEMA_MQTT_USER and KINEMA_MQTT_PASSWORD or the keyring (service kinema-mqtt); with
    `account` OFFICE: KINEMA_MQTT_OFFICE_USER … Port 1883, with `tls` 8883. `home_assistant`: labels are announced as
    binary sensors (https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery).

    Raises `UsageError` for wrong settings, or where paho-mqtt is not installed.
    """

    wants_rows = True
    rows_waiting = 100

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        tls: bool = False,
        ca_file: Path | str | None = None,
        account: str = "",
        prefix: str = "kinema",
        home_assistant: bool = False,
        when: When = "both",
        labels: Sequence[str] = (),
        silenced: bool = True,
        name: str | None = None,
        folder: Path | None = None,
        expire_days: float = 7.0,
    ) -> None:
        port = (8883 if tls else 1883) if port is None else port
        if not host or any(character.isspace() for character in host) or "/" in host:
            raise UsageError(f"mqtt: host = '{host}': give the name of a broker, as mqtt.example.org")
        if not 0 < port < 65536:
            raise UsageError(f"mqtt: port = {port}: give a port between 1 and 65535")
        prefix = prefix.strip("/")
        if not prefix or any(character in prefix for character in "+#\0"):
            raise UsageError(f"mqtt: prefix = '{prefix}': give a topic without + and #")
        super().__init__(
            name or f"mqtt {host}:{port}",
            when=when,
            labels=labels,
            silenced=silenced,
            folder=folder,
            expire_days=expire_days,
        )
        self._broker = Broker(host, port, tls, None if ca_file is None else Path(ca_file), account)
        self._broker.client()
        self._prefix = prefix
        self._home_assistant = home_assistant
        self._classes: list[str] = []
        self._label_parts: dict[str, str] = {}
        self._sources: dict[str, _Source] = {}
        self._names: list[str] = []

    def __repr__(self) -> str:
        return f"MqttSink({self._broker.address}, prefix={self._prefix!r})"

    def check(self) -> str:
        """Connect, log in and disconnect; return one line. Raises `KinemaError` with one line of what is wrong."""
        user = login("mqtt", self._broker.account)
        station = MqttStation(self._broker, (f"{self._prefix}/check", ""), lambda: None)
        station.start()
        fine, trouble = station.wait(8.0), station.trouble
        station.stop(1.0)
        if not fine:
            raise KinemaError(f"{self.name}: {self._broker.address} {trouble}")
        how = "TLS" if self._broker.tls else "unencrypted"
        return f"{self.name}: {self._broker.address} takes messages ({how}{f', user {user.user}' if user else ''})"

    def open(self, info: StreamInfo) -> None:
        """Begin to connect, one connection a source, since each has a last will of its own."""
        if (
            login("mqtt", self._broker.account)
            and not self._broker.tls
            and not is_loopback(self._broker.host)
        ):
            self.tell(
                f"{self.name}: the password goes unencrypted to {self._broker.host}; tls = true encrypts it"
            )
        self._classes = info.classes
        self._names = list(info.sources) or ["kinema"]
        labels = [n for n in info.rules.alerting(info.classes) if not self._labels or n in self._labels]
        self._label_parts = unique_parts(labels, ("state", "events"), "label")
        parts = unique_parts(self._names, otherwise="source", word=short_source)
        for name in dict.fromkeys(self._names):
            topic = f"{self._prefix}/{parts[name]}"
            station = MqttStation(self._broker, (f"{topic}/state", _OFFLINE), self._wake)
            source = self._sources[name] = _Source(shown_source(name), topic, station)
            self._announce(source)
        super().open(info)
        for source in self._sources.values():
            source.station.start()

    def row(self, row: Row) -> None:
        """Show the most probable class where it has changed, at most each second."""
        source = self._of(self._names[row.source] if row.source < len(self._names) else row.name)
        source.label = self._classes[row.best] if row.known else None
        source.probability = round(float(row.smoothed[row.best]), 3)
        self._show(source)

    def event(self, event: Event) -> None:
        """Switch the label on or off, and keep the event for the broker."""
        source = self._of(event.source)
        if event.ended:
            source.active.pop(event.id, None)
        else:
            source.active[event.id] = event.label
        if event.label in self._label_parts:
            on = event.label in source.active.values()
            source.station.retain(f"{source.topic}/{self._label_parts[event.label]}", "ON" if on else "OFF")
        self._show(source, at_once=True)
        super().event(event)

    def notice(self, notice: Notice) -> None:
        """Show a source offline while its camera is away."""
        if notice.name in self._sources and notice.kind in ("lost", "failed", "ended", "back", "source"):
            source = self._sources[notice.name]
            source.online = notice.kind in ("back", "source")
            self._show(source, at_once=True)

    def payload(self, event: Event) -> dict[str, Any]:
        """Return what the outbox keeps, with the topic."""
        return {**super().payload(event), "topic": f"{self._of(event.source).topic}/events"}

    def greet(self) -> None:
        """Wait for the first answer of the broker, so that a wrong setting is told at the start."""
        station = next(iter(self._sources.values())).station
        if not station.wait(8.0):
            raise Later(f"{self._broker.address} {station.trouble}", everything=True)

    def deliver(self, item: Delivery) -> None:
        """Publish one event and wait until the broker has confirmed it."""
        topic = item.payload["topic"]
        sources = list(self._sources.values())
        station = next((s.station for s in sources if f"{s.topic}/events" == topic), sources[0].station)
        closing = self._courier.closing if self._courier is not None else threading.Event()
        values = {"id": item.key, "event": item.payload["event"]}
        station.publish(topic, json.dumps(values, ensure_ascii=False), item.key, closing)

    def close(self, timeout: float = 5.0) -> None:
        """Deliver what waits, switch all off, and disconnect."""
        end = time.monotonic() + timeout
        super().close(0.7 * timeout)
        for source in self._sources.values():
            for part in self._label_parts.values():
                source.station.retain(f"{source.topic}/{part}", "OFF")
            source.station.retain(f"{source.topic}/state", _OFFLINE)
        for source in self._sources.values():
            source.station.stop(max(0.1, end - time.monotonic()))
        self._sources.clear()

    def _announce(self, source: _Source) -> None:
        """Put the first values on all of a source's topics."""
        self._show(source, at_once=True)
        part = source.topic.removeprefix(f"{self._prefix}/").replace("/", "-")
        for label, label_part in self._label_parts.items():
            source.station.retain(f"{source.topic}/{label_part}", "OFF")
            if self._home_assistant:
                identity = f"{self._prefix.replace('/', '-')}_{part}_{label_part}"
                values = {
                    "name": label,
                    "unique_id": identity,
                    "object_id": identity,
                    "state_topic": f"{source.topic}/{label_part}",
                    "payload_on": "ON",
                    "payload_off": "OFF",
                    "availability_topic": f"{source.topic}/state",
                    "availability_template": "{{ 'online' if value_json.online else 'offline' }}",
                    "device": {
                        "identifiers": [f"{self._prefix.replace('/', '-')}_{part}"],
                        "name": source.name,
                        "manufacturer": "kinema",
                    },
                }
                source.station.retain(f"homeassistant/binary_sensor/{identity}/config", json.dumps(values))

    def _show(self, source: _Source, at_once: bool = False) -> None:
        now = time.monotonic()
        active = sorted(set(source.active.values()))
        key = json.dumps([source.online, source.label, active])
        if key == source.shown or (not at_once and now - source.told < _STATE_EVERY):
            return
        source.shown, source.told = key, now
        values = {
            "online": source.online,
            "label": source.label,
            "probability": source.probability,
            "active": active,
        }
        source.station.retain(f"{source.topic}/state", json.dumps(values, ensure_ascii=False))

    def _of(self, name: str) -> _Source:
        return self._sources.get(name) or next(iter(self._sources.values()))

    def _wake(self) -> None:
        if self._courier is not None:
            self._courier.wake(at_once=True)

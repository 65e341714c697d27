"""MqttStation: one connection to a broker, which knows what is retained there and says so anew after each reconnect."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import UsageError, first_line
from kinema.streaming.sinks.courier import Later
from kinema.streaming.sinks.credentials import login, variable

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessageInfo

_KEEP_ALIVE = 30
_CONFIRM = 10.0  # seconds for the broker to confirm a message


@dataclass(frozen=True)
class Broker:
    """Where an MQTT broker is; with `tls` certificates are verified with the system's authorities or those of `ca_file`."""

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    account: str = ""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def client(self) -> Client:
        """Return a client with user, password and TLS as set, not connected. Raises `UsageError` without paho-mqtt."""
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise UsageError("MQTT needs the live extra; pip install 'kinema[live]'") from None
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect_timeout = 5.0
        client.reconnect_delay_set(1, 30)
        if (found := login("mqtt", self.account)) is not None:
            client.username_pw_set(found.user, found.password)
        if self.tls:
            try:
                context = ssl.create_default_context(
                    cafile=None if self.ca_file is None else str(self.ca_file)
                )
            except OSError as error:
                raise UsageError(
                    f"mqtt: ca_file = {self.ca_file}: no certificates in PEM can be read ({first_line(error)})"
                ) from error
            client.tls_set_context(context)
        return client

    def meaning(self, error: BaseException | None) -> str:
        """Return in plain words why no connection was made."""
        import socket

        if isinstance(error, socket.gaierror):
            return "is unknown: no such host; check the spelling and the network"
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that is not trusted ({error.verify_message or first_line(error)}); "
                "for an authority of your own set ca_file"
            )
        if isinstance(error, ssl.SSLError):
            return f"refuses TLS ({error.reason or first_line(error)}); check port and tls"
        if isinstance(error, ConnectionRefusedError):
            return "refuses the connection; check host and port, and that the broker runs"
        if isinstance(error, TimeoutError):
            return "does not answer; check host and port"
        if isinstance(error, OSError):
            return f"cannot be reached ({error.strerror or first_line(error)})"
        return "cannot be reached"

    def refused(self, reason: str) -> str:
        """Return what an answer of the broker to a connection means."""
        if "authorized" in reason or "password" in reason:
            names = (
                f"{variable('mqtt', 'user', self.account)} and {variable('mqtt', 'password', self.account)}"
            )
            return f"refuses the user or password ({reason}); check {names}"
        return f"refuses the connection ({reason})"


class MqttStation:
    """A connection that is made and made again in the background.

    `will`: the topic and payload that the broker shows, retained, when this process is gone. `connected` is called each
    time that a connection stands, from a thread of the client.
    """

    def __init__(self, broker: Broker, will: tuple[str, str], connected: Callable[[], None]) -> None:
        self.trouble = "is not connected yet"
        self._broker = broker
        self._connected = connected
        self._lock = threading.Lock()
        self._retained: dict[str, str] = {}
        self._unconfirmed: dict[str, MQTTMessageInfo] = {}
        self._answered = threading.Event()
        self._client = broker.client()
        self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect

    def start(self) -> None:
        """Begin to connect."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=_KEEP_ALIVE)
        self._client.loop_start()

    @property
    def online(self) -> bool:
        """Whether the connection stands."""
        return not self.trouble

    def wait(self, timeout: float) -> bool:
        """Return whether a connection stands, after the first answer or `timeout` seconds."""
        self._answered.wait(timeout)
        return self.online

    def retain(self, topic: str, payload: str) -> None:
        """Show a value on a topic, now and after each reconnect."""
        with self._lock:
            self._retained[topic] = payload
        if self.online:
            self._client.publish(topic, payload, qos=1, retain=True)

    def publish(self, topic: str, payload: str, key: str, closing: threading.Event) -> None:
        """Publish once; returns when the broker has confirmed it. Raises `Later` when it does not.

        What a lost connection left unconfirmed under `key` is not published twice: the client sends it again by itself.
        """
        sent = self._unconfirmed.get(key)
        if sent is None:
            if not self.online:
                raise Later(f"{self._broker.address} {self.trouble}", everything=True, at_most=5.0)
            sent = self._unconfirmed[key] = self._client.publish(topic, payload, qos=1)
        end = time.monotonic() + _CONFIRM
        while not _confirmed(sent):
            if not self.online or time.monotonic() > end or closing.wait(0.02):
                break
        if not _confirmed(sent) and closing.is_set() and self.online:
            time.sleep(0.2)
        if not _confirmed(sent):
            trouble = self.trouble or "does not confirm what it is sent"
            raise Later(f"{self._broker.address} {trouble}", everything=True, at_most=5.0)
        del self._unconfirmed[key]

    def stop(self, timeout: float) -> None:
        """Let what was published arrive, and disconnect, within `timeout` seconds."""
        if self.online:
            with self._lock:
                last = [self._client.publish(t, p, qos=1, retain=True) for t, p in self._retained.items()]
            end = time.monotonic() + timeout
            while self.online and time.monotonic() < end and not all(map(_confirmed, last)):
                time.sleep(0.01)
        self._client.disconnect()
        # The client's thread may be in the midst of connecting.
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(min(1.5, max(0.1, timeout)))

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.trouble = self._broker.refused(str(reason))
            self._answered.set()
            return
        self.trouble = ""
        with self._lock:
            values = list(self._retained.items())
        for topic, payload in values:
            client.publish(topic, payload, qos=1, retain=True)
        self._answered.set()
        self._connected()

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        # paho calls this while it handles the error, and does not pass it on.
        self.trouble = self._broker.meaning(sys.exception())
        self._answered.set()

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, _reason: Any, _properties: Any
    ) -> None:
        if self.online:
            self.trouble = "has ended the connection"


def _confirmed(sent: MQTTMessageInfo) -> bool:
    try:
        return bool(sent.is_published())
    except (ValueError, RuntimeError):
        return False

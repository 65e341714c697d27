"""Where an engine's rows, events and frames go: mail, webhooks, MQTT, files, functions."""

from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.streaming.sinks.callable import CallableSink
from kinema.streaming.sinks.delivering import unclaimed
from kinema.streaming.sinks.files import EventLog, RowLog
from kinema.streaming.sinks.mail import MailSink
from kinema.streaming.sinks.mqtt import MqttSink
from kinema.streaming.sinks.runner import SinkRunner, close_all
from kinema.streaming.sinks.settings import read_sinks
from kinema.streaming.sinks.signature import verify
from kinema.streaming.sinks.webhook import WebhookSink

__all__ = [
    "CallableSink",
    "EventLog",
    "MailSink",
    "MqttSink",
    "RowLog",
    "Sink",
    "SinkRunner",
    "StreamInfo",
    "WebhookSink",
    "close_all",
    "read_sinks",
    "unclaimed",
    "verify",
]

"""A mail server: connecting, TLS and login, and what its refusals mean in plain words."""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, get_args

from kinema.errors import KinemaError, UsageError, closest, first_line
from kinema.streaming.sinks.courier import Later, Refused
from kinema.streaming.sinks.credentials import hidden, login, variable

Security = Literal["starttls", "tls", "none"]
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_PATIENCE = 300.0  # seconds between tries with a password that was refused: servers lock accounts
_LOGIN_CODES = (530, 534, 535, 538)


@dataclass(frozen=True)
class SmtpServer:
    """A host that takes mail.

    `security`: `starttls` (port 587), `tls` from the first byte (465), or `none` (25); certificates are verified with the
    system's authorities, or with those of `ca_file` alone; nothing falls back to less. A password (KINEMA_SMTP_USER,
    KINEMA_SMTP_PASSWORD or the keyring; with `account` OFFICE: KINEMA_SMTP_OFFICE_USER …) goes over an unencrypted
    connection only to this computer itself. `timeout`: seconds of each step.
    """

    host: str
    port: int
    security: Security = "starttls"
    ca_file: Path | None = None
    account: str = ""
    timeout: float = 30.0

    @classmethod
    def of(
        cls,
        host: str,
        port: int | None,
        security: str,
        ca_file: Path | str | None,
        account: str,
        timeout: float,
    ) -> SmtpServer:
        """Return a server with the usual port. Raises `UsageError` for settings that cannot work."""
        if security not in get_args(Security):
            raise UsageError(f"mail: security = '{security}': {closest(str(security), get_args(Security))}")
        if not host or any(character.isspace() for character in host) or "/" in host:
            raise UsageError(f"mail: host = '{host}': give the name of a mail server, as smtp.example.org")
        port = _PORTS[security] if port is None else port
        if not 0 < port < 65536:
            raise UsageError(f"mail: port = {port}: give a port between 1 and 65535")
        if timeout <= 0:
            raise UsageError(f"mail: timeout = {timeout:g}: give seconds, more than 0")
        path = None if ca_file is None else Path(ca_file)
        server = cls(host, port, security, path, account, timeout)  # type: ignore[arg-type]
        server.context()
        server.require_safe()
        return server

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext:
        """Return how TLS is verified. Raises `UsageError` when `ca_file` holds no certificates."""
        try:
            return ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except OSError as error:
            raise UsageError(
                f"mail: ca_file = {self.ca_file}: no certificates in PEM can be read ({first_line(error)})"
            ) from error

    def require_safe(self) -> None:
        """Raise `UsageError` where a password would go unencrypted over a network, or is missing."""
        if login("smtp", self.account) is not None and self.security == "none" and not is_loopback(self.host):
            raise UsageError(
                f"mail: security = 'none' with {variable('smtp', 'user', self.account)} set: the password would go "
                f"unencrypted to {self.host}; use 'starttls' or 'tls', or unset the user"
            )

    def connect(self) -> smtplib.SMTP:
        """Return a connection, encrypted and logged in as set. Raises `Later` with one line of what is wrong."""
        connection: smtplib.SMTP | None = None
        try:
            self.require_safe()
            context = self.context()
            if self.security == "tls":
                connection = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
            else:
                connection = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
                if self.security == "starttls":
                    connection.ehlo()
                    connection.starttls(context=context)
            connection.ehlo()
            self._log_in(connection)
            return connection
        except Exception as error:
            if connection is not None:
                connection.close()
            if isinstance(error, Later):
                raise
            if isinstance(error, KinemaError):  # a keyring that is locked, a ca_file that has gone
                raise Later(str(error), everything=True, at_least=_PATIENCE) from error
            if isinstance(error, (OSError, smtplib.SMTPException)):
                raise Later(f"{self.address} {self._meaning(error)}", everything=True) from error
            raise

    def _log_in(self, connection: smtplib.SMTP) -> None:
        found = login("smtp", self.account)
        if found is None:
            return
        try:
            connection.login(found.user, found.password)
        except smtplib.SMTPAuthenticationError as error:
            said = hidden(_said(error.smtp_code, error.smtp_error), found.password)
            names = (
                f"{variable('smtp', 'user', self.account)} and {variable('smtp', 'password', self.account)}"
            )
            raise Later(
                f"{self.address} refuses the user or password ({said}); check {names}",
                everything=True,
                at_least=_PATIENCE,
            ) from None  # the cause may repeat what was sent
        except smtplib.SMTPNotSupportedError:
            raise Later(
                f"{self.address} offers no login over this connection; use security = 'starttls' or 'tls', or unset "
                f"{variable('smtp', 'user', self.account)}",
                everything=True,
                at_least=_PATIENCE,
            ) from None
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as error:
            raise Later(
                f"{self.address} cannot log in ({hidden(first_line(error), found.password)})", everything=True
            ) from None

    def send(
        self, connection: smtplib.SMTP, message: EmailMessage, sender: str, to: list[str]
    ) -> dict[str, tuple[int, str]]:
        """Hand over a message; return those recipients that were refused for good, when others were not.

        Raises `Refused` when nobody will get it, `Later` when somebody still may.
        """
        try:
            refused = connection.send_message(message, sender, to)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
            if len(refused) < len(to):  # the server hung up amid the recipients
                raise Later(f"{self.address} hung up ({_first(refused)})") from error
        except smtplib.SMTPResponseException as error:
            raise self.refusal(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(
                f"{self.address} cannot take an address that is not ASCII ({first_line(error)})"
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Later(f"{self.address} {self._meaning(error)}") from error
        answers = {name: (code, _said(code, text)) for name, (code, text) in refused.items()}
        again = [name for name, (code, _) in answers.items() if code < 500]
        for_good = {name: answer for name, answer in answers.items() if answer[0] >= 500}
        if again:
            raise Later(
                f"{self.address} does not take mail for {', '.join(again)} now ({answers[again[0]][1]})",
                payload={"to": again},
            )
        if len(for_good) == len(to):
            name, (code, said) = next(iter(for_good.items()))
            raise self.refusal(code, said, name)
        return for_good

    def refusal(self, code: int, text: bytes | str, recipient: str | None = None) -> Later | Refused:
        """Return what an answer of the server means: for ever (5xx), or for now."""
        said = _said(code, text)
        if code in _LOGIN_CODES:
            name = variable("smtp", "user", self.account)
            return Later(
                f"{self.address} wants a login ({said}); set {name} and its password",
                everything=True,
                at_least=_PATIENCE,
            )
        what = f"mail for {recipient}" if recipient else "the mail"
        if code >= 500:
            relay = "; it does not relay for strangers: log in, or use your provider's host"
            return Refused(
                f"{self.address} refuses {what} ({said}){relay if 'relay' in said.lower() else ''}"
            )
        return Later(f"{self.address} does not take {what} now ({said})", everything=code == 421)

    def _meaning(self, error: Exception) -> str:
        if isinstance(error, socket.gaierror):
            return "is unknown: no such host; check the spelling and the network"
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"shows a certificate that is not trusted ({error.verify_message or first_line(error)}); "
                "for an authority of your own set ca_file"
            )
        if isinstance(error, ssl.SSLError):
            other = "starttls" if self.security == "tls" else "tls"
            return f"refuses TLS ({error.reason or first_line(error)}); perhaps its port wants security = '{other}'"
        if isinstance(error, ConnectionRefusedError):
            return "refuses the connection; check host and port"
        if isinstance(error, TimeoutError):
            return f"does not answer within {self.timeout:g} s; check host, port and security"
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return "offers no STARTTLS; use security = 'tls', or 'none' for a server that you trust"
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return "hung up; check that port and security belong together"
        if isinstance(error, smtplib.SMTPResponseException):
            return f"refuses ({_said(error.smtp_code, error.smtp_error)})"
        if isinstance(error, OSError):
            return f"cannot be reached ({error.strerror or first_line(error)})"
        return f"fails ({first_line(error)})"


def hang_up(connection: smtplib.SMTP) -> None:
    """End a connection politely where that works."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        connection.quit()
    connection.close()


def is_loopback(host: str) -> bool:
    """Return whether a host is this computer itself.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost.example.org")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _said(code: int, text: bytes | str) -> str:
    line = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = " ".join(line.split())[:160]
    return line if line.startswith(str(code)) else f"{code} {line}"


def _first(refused: dict[str, tuple[int, bytes]]) -> str:
    return _said(*next(iter(refused.values()))) if refused else "no answer"

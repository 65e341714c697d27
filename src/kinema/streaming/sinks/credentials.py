"""Where passwords come from: the environment or the keyring of the system, looked up at the moment they are needed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from kinema.errors import KinemaError, UsageError, first_line

_SECRET_WORDS = re.compile(
    r"pass(wor[dt]|wd|phrase|code)|(^|_)pass$|(^|_)pwd$|secret|token|api_?key|credential|private_?key|^auth",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Login:
    """A user and a password, which no text shows."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, ...)"


def variable(service: str, what: str, account: str = "") -> str:
    """Return the name of an environment variable.

    >>> variable("smtp", "password"), variable("smtp", "password", "office")
    ('KINEMA_SMTP_PASSWORD', 'KINEMA_SMTP_OFFICE_PASSWORD')
    """
    middle = f"_{re.sub(r'[^A-Z0-9]+', '_', account.upper())}" if account else ""
    return f"KINEMA_{service.upper()}{middle}_{what.upper()}"


def login(service: str, account: str = "") -> Login | None:
    """Return the user and password of a service; None where no user is set.

    The user comes from `KINEMA_SERVICE_USER`; the password from `KINEMA_SERVICE_PASSWORD`, else from the keyring, service
    `kinema-SERVICE`. Raises `UsageError` when there is a user and no password.
    """
    user = os.environ.get(variable(service, "user", account))
    name = variable(service, "password", account)
    if not user:
        if os.environ.get(name):
            raise UsageError(f"{name} is set, {variable(service, 'user', account)} is not; set both")
        return None
    password = os.environ.get(name) or from_keyring(f"kinema-{service}", user, name)
    if not password:
        raise UsageError(
            f"no password of {service} user '{user}': set {name}, or store it: keyring set kinema-{service} {user}"
        )
    return Login(user, password)


def secret(service: str, account: str = "") -> str | None:
    """Return `KINEMA_SERVICE_SECRET`, else what the keyring has for service `kinema-SERVICE`, user `secret` or the account."""
    name = variable(service, "secret", account)
    return os.environ.get(name) or from_keyring(f"kinema-{service}", account or "secret", name)


def from_keyring(service: str, user: str, name: str) -> str | None:
    """Return a password of the system's keyring, None where it has none; `name`: the variable to name in its place."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise UsageError(
            f"{name} is not set, and the keyring needs the live extra; pip install 'kinema[live]'"
        ) from None
    try:
        return keyring.get_password(service, user)
    except keyring.errors.NoKeyringError:
        return None
    except Exception as error:  # a keyring may be locked, or its service away, each with errors of its own
        raise KinemaError(f"the keyring does not answer ({first_line(error)}); set {name}") from error


def hidden(text: str, *secrets: str | None) -> str:
    """Return a text of somebody else's without these secrets in it.

    >>> hidden("535 bad password hunter22", "hunter22")
    '535 bad password ***'
    """
    for word in secrets:
        if word and len(word) >= 3:
            text = text.replace(word, "***")
    return text


def is_secret(name: str) -> bool:
    """Return whether a setting of this name holds a secret.

    >>> [name for name in ("password", "smtp_pass", "api_key", "hmac_secret", "keys", "passive", "host") if is_secret(name)]
    ['password', 'smtp_pass', 'api_key', 'hmac_secret']
    """
    return _SECRET_WORDS.search(name) is not None


def secret_in_address(address: str) -> bool:
    """Return whether an address carries a password or a key.

    >>> secret_in_address("https://me:pw@a.org/x"), secret_in_address("https://a.org/x?token=1"), \
secret_in_address("https://a.org/x?room=1")
    (True, True, False)
    """
    try:
        parts = urlsplit(address)
        named = any(is_secret(key) or key in ("key", "sig") for key, _ in parse_qsl(parts.query))
        return "@" in parts.netloc or named
    except ValueError:
        return False

"""Requests over HTTP: what the network does wrong is a failure that passes or one that stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from kinema.data.fetch.answers import FinalError, PassingError, untrusted
from kinema.errors import UsageError

if TYPE_CHECKING:
    import httpx


class UntrustedError(FinalError):
    """The certificate of the server cannot be verified."""


class Connection:
    """The clients of one downloader, for any number of threads; `timeout` in seconds.

    `agent` is the User-Agent; without `follow` an answer that sends elsewhere is returned as it is. Raises `UsageError`
    with the words of `needs` when httpx or tenacity are not installed.
    """

    def __init__(
        self,
        timeout: float,
        connections: int,
        *,
        agent: str | None = None,
        follow: bool = True,
        needs: str = "downloading needs the download extra; pip install 'kinema[download]'",
    ) -> None:
        try:
            import httpx  # noqa: F401
            import tenacity  # noqa: F401
        except ImportError as error:
            raise UsageError(needs) from error
        self._timeout, self._connections = timeout, connections
        self._agent, self._follow = agent or f"kinema/{version('kinema')}", follow
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    def close(self) -> None:
        """Close what is open."""
        for client in self._clients.values():
            client.close()

    @contextmanager
    def get(self, url: str, headers: dict[str, str], *, verify: bool = True) -> Iterator[httpx.Response]:
        """Send a request and hold its answer open; `verify` the certificate.

        Raises `PassingError`, also for what breaks inside of the block, `FinalError` and `UntrustedError`.
        """
        import httpx

        try:
            with self._client(verify).stream("GET", url, headers=headers) as response:
                yield response
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise FinalError(str(error)) from error
        except httpx.ConnectError as error:
            if untrusted(error):
                raise UntrustedError(f"the certificate of the server is not trusted: {error}") from error
            raise PassingError(f"no connection: {error}") from error
        except httpx.TimeoutException as error:
            raise PassingError(f"nothing came for {self._timeout:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise PassingError(f"the connection broke: {error}") from error

    def _client(self, verify: bool) -> httpx.Client:
        import httpx

        with self._lock:
            if verify not in self._clients:
                self._clients[verify] = httpx.Client(
                    follow_redirects=self._follow,
                    timeout=self._timeout,
                    verify=verify,
                    headers={"User-Agent": self._agent},
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._connections),
                )
            return self._clients[verify]

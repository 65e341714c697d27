"""Streams and the database: one may last for hours, and must not hold a connection for so long."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class LetGoMiddleware(MiddlewareMixin):
    """Closes the connection of a request whose answer is a stream; what the stream still asks opens another."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the answer."""
        if response.streaming:
            connection.close()
        return response

"""Who is at the keyboard: on a site that only this machine reaches and that asks for no login, the user "local"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponseBase

LOCAL = "local"


def local_user() -> Any:
    """Return the user "local", who may do everything and has no password; made when first asked for."""
    users = get_user_model().objects
    found = users.filter(username=LOCAL).first()
    if found is None:
        found, made = users.get_or_create(username=LOCAL, defaults={"is_staff": True, "is_superuser": True})
        if made:
            found.set_unusable_password()
            found.save()
    return found


class LocalUserMiddleware:
    """Makes every request of a site without login that of the user "local"."""

    async_capable = sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if iscoroutinefunction(self.get_response):
            return self._later(request)
        if not settings.KINEMA_LOGIN:
            request.user = local_user()
        response: HttpResponseBase = self.get_response(request)
        return response

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        if not settings.KINEMA_LOGIN:
            user = await sync_to_async(local_user)()
            request.user = user

            async def auser() -> Any:
                return user

            request.auser = auser
        response: HttpResponseBase = await self.get_response(request)
        return response


async def socket_user(scope: Any) -> Any:
    """Return the user of a WebSocket's scope, or None where a login is missing; a socket asks before it accepts."""
    if not settings.KINEMA_LOGIN:
        return await database_sync_to_async(local_user)()
    user = scope.get("user")
    return user if user is not None and user.is_authenticated else None

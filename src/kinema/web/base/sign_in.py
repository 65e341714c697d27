"""The gate before every view: a session, or below /api/ a token; who has neither is sent to the login, scripts get 401."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase

from kinema.web.base.errors import error_page, for_api, wants_json


class SignInMiddleware(LoginRequiredMiddleware):
    """Django's, with tokens for /api/ and words for scripts. `request.token` is the token of a request that carries one."""

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Let a request go on to its view (None), or answer in the view's place."""
        if for_api(request) and (text := bearer(request)):
            from kinema.web.base.tokens import find_token

            token = find_token(text)
            if token is None:
                return error_page(
                    request,
                    401,
                    "This token is unknown or revoked, or its user is not active. Settings, API tokens makes one.",
                )
            request.token = token
            request.user = token.user

            async def auser() -> Any:
                return token.user

            request.auser = auser
        found: HttpResponseBase | None = super().process_view(request, view_func, view_args, view_kwargs)
        return found

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponseBase:
        """Send people to the login; tell scripts."""
        if wants_json(request):
            return error_page(request, 401)
        answer: HttpResponseBase = super().handle_no_permission(request, view_func)
        return answer


def bearer(request: HttpRequest) -> str:
    """Return the token that a request carries (RFC 6750, 2.1), or an empty text."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def client_address(request: HttpRequest) -> str:
    """Return the address that a request came from; uvicorn has put a trusted proxy's word there already."""
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")


def too_many_failures(request: HttpRequest) -> bool:
    """Return whether an address has tried so many passwords, of whatever users, that it has to wait."""
    from axes.helpers import get_cool_off
    from axes.models import AccessAttempt
    from django.db.models import Sum
    from django.utils import timezone

    recent = AccessAttempt.objects.filter(
        ip_address=client_address(request), attempt_time__gte=timezone.now() - get_cool_off(request)
    )
    tried = recent.aggregate(total=Sum("failures_since_start"))["total"] or 0
    return bool(tried >= settings.KINEMA_FAILURES_OF_AN_ADDRESS)

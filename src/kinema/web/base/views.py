"""Home: what there is and what to do next. The settings' first page, the page of the API, the login."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from kinema.web.base.api_calls import calls
from kinema.web.base.cards import cards
from kinema.web.base.navigation import address
from kinema.web.base.sign_in import too_many_failures
from kinema.web.recognizers import recognizers


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The first page: what goes on, what came last, what can be recognized, and what to do next."""
    from kinema.web.jobs.models import Job

    going = Job.objects.filter(state__in=(Job.State.RUNNING, Job.State.QUEUED)).order_by("-state", "id")
    return render(
        request,
        "base/home.html",
        {
            "recognizers": recognizers(),
            "sections": cards(request),
            "jobs": going[:4],
            "waiting": max(0, going.count() - 4),
            "live": address("live:index"),
            "teach": address("teach:index"),
        },
    )


@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    """The sections of the settings."""
    return render(request, "base/settings.html", {"sources": address("live:sources")})


@require_safe
def api_page(request: HttpRequest) -> HttpResponse:
    """The calls of the API, for people."""
    from kinema.web.api import api

    return render(request, "base/api.html", {"groups": calls(api.get_openapi_schema())})


@login_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Whether the server and its database answer, for whoever watches over it; tells nothing else."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"ok": True})


@login_not_required
@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon when a page names none, as Django's admin."""
    return redirect(static("kinema/icon.svg"))


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Django's admin asks for a login at the site's own page; who is signed in and may not come in is told so."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied("The admin pages are for admins of this site.")
    wanted = request.GET.get("next", "")
    return redirect(
        f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': wanted})}" if wanted else settings.LOGIN_URL
    )


class Login(auth.LoginView):
    """Django's login; an address that tried too many passwords waits, whatever the user."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        """Sign in."""
        if too_many_failures(request):
            return render(request, settings.AXES_LOCKOUT_TEMPLATE, status=429)
        answer: HttpResponseBase = super().post(request, *arguments, **named)
        return answer

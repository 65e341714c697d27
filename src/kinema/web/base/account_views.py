"""Settings, accounts: users and their roles, one's own password, API tokens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from kinema.web.base.local_user import LOCAL
from kinema.web.base.models import ApiToken
from kinema.web.base.roles import ADMINS, REVIEWERS, ROLES, admin_required, give_role, is_admin, role_of
from kinema.web.base.tokens import make_token, revoke

_MOST_TOKENS = 50


class NewUserForm(forms.Form):
    """A new user."""

    username = forms.CharField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        label="Name",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least eight characters; tell it to the user, who can change it.",
    )
    role = forms.ChoiceField(choices=ROLES, label="Role", initial=REVIEWERS)

    def clean_username(self) -> str:
        """Refuse a name that is taken."""
        name: str = self.cleaned_data["username"]
        if name == LOCAL or get_user_model().objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("This name is taken.")
        return name

    def clean_password(self) -> str:
        """Refuse one that is easily guessed."""
        password: str = self.cleaned_data["password"]
        user = get_user_model()(username=self.cleaned_data.get("username", ""))
        password_validation.validate_password(password, user)
        return password


class NewTokenForm(forms.Form):
    """What a token is for."""

    name = forms.CharField(max_length=60, label="What is it for?")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def users(request: HttpRequest) -> HttpResponse:
    """Who may come in; add one."""
    form = NewUserForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        with transaction.atomic():
            user = get_user_model().objects.create_user(values["username"], password=values["password"])
            give_role(user, values["role"])
        messages.success(request, f"{user.username} can sign in as {dict(ROLES)[values['role']]}.")
        return redirect("users")
    everybody = get_user_model().objects.exclude(username=LOCAL).order_by("-is_active", "username")
    rows = [{"user": user, "role": role_of(user), "self": user.pk == request.user.pk} for user in everybody]
    return render(
        request,
        "base/users.html",
        {"form": form, "rows": rows, "roles": ROLES},
        status=422 if form.is_bound else 200,
    )


@require_POST
@admin_required
def change_user(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a user off or on, or give another role. The last admin stays one."""
    with transaction.atomic():
        user = get_object_or_404(get_user_model().objects.exclude(username=LOCAL), pk=pk)
        role = request.POST.get("role", role_of(user))
        active = {"off": False, "on": True}.get(request.POST.get("active", ""), user.is_active)
        if role not in dict(ROLES):
            raise PermissionDenied("There are reviewers and admins.")
        loses = user.is_active and is_admin(user) and not (active and role == ADMINS)
        if loses and not _other_admins(user):
            messages.error(request, f"{user.username} is the only admin: make another one first.")
            return redirect("users")
        user.is_active = active
        user.save(update_fields=["is_active"])
        give_role(user, role)
    state = dict(ROLES)[role] if active else "switched off: signed out everywhere, tokens refused"
    messages.success(request, f"{user.username} is {state}.")
    return redirect("users")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def reset_password(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a user another password, which signs them out everywhere."""
    user = get_object_or_404(get_user_model().objects.exclude(username=LOCAL), pk=pk)
    form = AdminPasswordChangeForm(user, request.POST if request.method == "POST" else None)
    form.fields.pop("usable_password", None)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{user.username} has another password.")
        return redirect("users")
    return render(
        request,
        "base/password.html",
        {"form": form, "whose": user.username},
        status=422 if form.is_bound else 200,
    )


class OwnPassword(auth.PasswordChangeView):
    """One's own password; other sessions of the user end."""

    template_name = "base/password.html"
    success_url = reverse_lazy("settings")

    def dispatch(self, request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        """Refuse where nobody signs in."""
        if not request.user.has_usable_password():
            raise PermissionDenied("This site asks for no login here, so there is no password to change.")
        return super().dispatch(request, *arguments, **named)

    def form_valid(self, form: Any) -> Any:
        """Say so."""
        messages.success(self.request, "The password is changed; other devices are signed out.")
        return super().form_valid(form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens; a new one is shown on the page that follows, and never again."""
    form = NewTokenForm(request.POST if request.method == "POST" else None)
    text = ""
    if request.method == "POST" and form.is_valid():
        if ApiToken.objects.filter(user=request.user, revoked=None).count() >= _MOST_TOKENS:
            form.add_error(None, f"You have {_MOST_TOKENS} tokens: revoke one first.")
        else:
            _, text = make_token(request.user, form.cleaned_data["name"])
            form = NewTokenForm()
    return render(
        request,
        "base/tokens.html",
        {
            "form": form,
            "tokens": ApiToken.objects.filter(user=request.user),
            "text": text,
            "address": request.build_absolute_uri("/api/version"),
            "with_login": settings.KINEMA_LOGIN,
        },
        status=422 if form.is_bound else 200,
    )


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End one's own token; an admin anybody's."""
    token = get_object_or_404(ApiToken, pk=pk)
    if token.user_id != request.user.pk and not is_admin(request.user):
        raise PermissionDenied("This token is somebody else's.")
    revoke(token)
    messages.success(request, f"{token.name} is refused from now on.")
    return redirect("tokens")


def _other_admins(user: Any) -> bool:
    admins = get_user_model().objects.filter(is_superuser=True, is_active=True)
    return bool(admins.exclude(pk=user.pk).exclude(username=LOCAL).exists())

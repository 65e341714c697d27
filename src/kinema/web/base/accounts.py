"""Users as the command line makes them, before anybody can sign in."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import transaction

from kinema.errors import UsageError
from kinema.web.base.local_user import LOCAL
from kinema.web.base.roles import ADMINS, give_role


def somebody_can_sign_in() -> bool:
    """Return whether there is a user with a password."""
    users = get_user_model().objects.filter(is_active=True).exclude(username=LOCAL)
    return any(user.has_usable_password() for user in users)


def make_admin(name: str, password: str) -> None:
    """Make an admin, or give a user that is there a new password and switch it on.

    Raises `UsageError` for a name or a password that will not do.
    """
    if name == LOCAL:
        raise UsageError(f"--add-user {name}: this name stands for whoever sits at the machine; take another")
    users = get_user_model()
    user = users.objects.filter(username=name).first()
    fresh = user is None
    user = user or users(username=name)
    try:
        if fresh:
            UnicodeUsernameValidator()(name)
            users._meta.get_field("username").run_validators(name)
        validate_password(password, user)
    except ValidationError as error:
        raise UsageError(f"--add-user {name}: {' '.join(error.messages)}") from error
    with transaction.atomic():
        user.set_password(password)
        user.is_active = True
        user.save()
        if fresh:
            give_role(user, ADMINS)

"""What may be watched: the list that an administrator keeps."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models

from kinema.errors import KinemaError
from kinema.web.live.addresses import check_stored, shown


class AllowedSource(models.Model):
    """A camera of this machine or the address of a stream that users may watch. Only administrators change it."""

    name = models.CharField(max_length=80, unique=True, help_text="Such as: front door.")
    address = models.CharField(
        max_length=500,
        help_text="rtsp://, rtsps://, http:// or https://, or a camera of this machine (0, /dev/video0). "
        "A password stays in the environment: rtsp://${KINEMA_SOURCE_DOOR}@camera/live with "
        "KINEMA_SOURCE_DOOR=user:password.",
    )
    enabled = models.BooleanField(default=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises `ValidationError` for an address that may not be opened, and for one that holds a password."""
        try:
            check_stored(self.address)
        except KinemaError as error:
            raise ValidationError({"address": str(error)}) from error

    @property
    def shown_address(self) -> str:
        """The address without secrets."""
        return shown(self.address)

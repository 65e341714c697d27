"""What the first page shows of teaching: the newest projects of whoever looks."""

from __future__ import annotations

from django.http import HttpRequest

from kinema.web.base.cards import Card
from kinema.web.teach import access


def cards(request: HttpRequest) -> list[Card]:
    """Return a card for each of the newest projects."""
    return [
        Card(
            project.title,
            project.get_absolute_url(),
            "Taught here",
            text=project.result["verdict"]["headline"] if project.trained else "Not trained yet",
            when=project.trained or project.created,
        )
        for project in access.projects(request.user)[:4]
    ]

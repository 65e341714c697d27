"""What apps bring: `urls.py` for pages, `sockets.py` (`websocket_urlpatterns`), `api.py` (`router`), `tasks.py`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps

_OURS = "kinema.web."


def modules(name: str) -> list[tuple[str, ModuleType]]:
    """Return the modules of that name of the site's apps: pairs of the app's label and its module."""
    found = []
    for config in apps.get_app_configs():
        if config.name.startswith(_OURS) and find_spec(f"{config.name}.{name}") is not None:
            found.append((config.label, import_module(f"{config.name}.{name}")))
    return found


def websocket_routes() -> list[Any]:
    """Return the WebSocket addresses of all apps."""
    return [route for _, module in modules("sockets") for route in module.websocket_urlpatterns]

"""The site as an ASGI application: pages by HTTP, live rows and browser cameras by WebSocket."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kinema.web.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import get_resolver

_pages = get_asgi_application()  # before the routes: it gets Django ready

from kinema.web.base.body_limit import BodyLimit
from kinema.web.base.origin import SameOrigin
from kinema.web.routes import websocket_routes

get_resolver().url_patterns  # noqa: B018  who is told that the site is there shall not wait for its modules

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(_pages),
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter(websocket_routes()))),
    }
)

"""The JSON API below /api/: a router an app, described by OpenAPI at /api/openapi.json. Errors are `{"detail": "a line"}`."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer, SessionAuth
from ninja.utils import check_csrf

import kinema
from kinema.errors import KinemaError
from kinema.web.base.errors import NO_CSRF, error_page
from kinema.web.routes import modules


class Token(HttpBearer):
    """A token of the settings page: `Authorization: Bearer kinema_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return the user of a token, which the gate before all views has looked up (`base.sign_in`)."""
        return request.user if getattr(request, "token", None) is not None else None


class Session(SessionAuth):
    """The user of the page's session; every change needs the CSRF token, as forms do."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the user, or None."""
        if not request.user.is_authenticated:
            return None
        if check_csrf(request):
            raise HttpError(403, NO_CSRF)
        return request.user


class Version(Schema):
    """What answers."""

    kinema: str


api = NinjaAPI(
    title="kinema",
    version=kinema.__version__,
    description="Upload videos, predict, read events and runs. The shapes are those of the command line's --json.",
    auth=[Token(), Session()],
    docs_url=None,
    urls_namespace="api",
)


@api.get("/version", response=Version, tags=["site"], summary="The version of kinema that answers")
def version(request: HttpRequest) -> dict[str, str]:
    """Return the version."""
    return {"kinema": kinema.__version__}


@api.exception_handler(KinemaError)
def _in_words(request: HttpRequest, error: KinemaError) -> Any:
    return api.create_response(request, {"detail": str(error)}, status=400)


@api.exception_handler(ValidationError)
def _what_is_wrong(request: HttpRequest, error: ValidationError) -> Any:
    return api.create_response(request, {"detail": "; ".join(map(_line, error.errors))}, status=422)


@api.exception_handler(Http404)
def _nothing(request: HttpRequest, error: Http404) -> Any:
    from kinema.web.base.errors import not_found

    return not_found(request, error)


@api.exception_handler(AuthenticationError)
def _who(request: HttpRequest, error: AuthenticationError) -> Any:
    return error_page(request, 401)


@api.exception_handler(PermissionDenied)
def _not_allowed(request: HttpRequest, error: PermissionDenied) -> Any:
    return error_page(request, 403, str(error))


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> Any:
    return error_page(request, 413)


def _line(problem: dict[str, Any]) -> str:
    # ("body", "payload", "title"): the middle one is the name of an argument, of which no user knows.
    place = [str(part) for part in problem.get("loc", ())]
    where = ".".join([*place[:1], *(place[2:] if place[:1] == ["body"] and len(place) > 2 else place[1:])])
    return f"{where}: {problem.get('msg', 'is wrong')}" if where else str(problem.get("msg", "is wrong"))


for _label, _module in modules("api"):
    api.add_router(f"/{_label}/", _module.router, tags=[_label])

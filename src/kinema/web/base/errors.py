"""What goes wrong, in words: pages for people, one line of JSON for programs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

_TEXTS = {
    400: ("That request makes no sense", "Go back and try again."),
    401: (
        "Sign in first",
        "Sign in, or send a token: Authorization: Bearer … (Settings, API tokens makes one).",
    ),
    403: ("Not allowed", "Sign in with a user who may do this, or reload the page and try again."),
    404: ("Nothing here", "It may have been removed, or the address has a slip of the pen."),
    405: ("Not that way", "This address takes another method than the one it was asked with."),
    409: ("Not now", "It is not ready for that; wait, or go on from where it ended."),
    413: ("Too large", "This is more than the site takes in one go."),
    429: ("Too many tries", "Wait a quarter of an hour and try again."),
    503: ("Busy", "As much goes on as this site allows; try again in a moment."),
    507: ("The disk is full", "Remove videos or other files first."),
    500: ("Something broke", "It is in the server's log. Nothing of yours is lost; try again."),
}
_LONGEST_WORDS = 300


def for_api(request: HttpRequest) -> bool:
    """Whether a request is one of the API."""
    return bool(request.path.startswith("/api/"))


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, which is told what is wrong as JSON."""
    accept = request.headers.get("Accept", "")
    return "application/json" in accept or (for_api(request) and "text/html" not in accept)


def error_page(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    """Return the page (or the JSON, for scripts) of an HTTP error; `detail` says what to do where it is known."""
    title, text = _TEXTS.get(status, _TEXTS[400])
    if wants_json(request):
        answer = JsonResponse({"detail": detail or f"{title}. {text}"}, status=status)
        if status == 401:
            answer["WWW-Authenticate"] = "Bearer"
        return answer
    return render(
        request, "base/error.html", {"status": status, "title": title, "text": detail or text}, status=status
    )


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """400; 413 where the request is too large."""
    return error_page(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """403, with the words of who refused."""
    return error_page(request, 403, str(exception or "")[:_LONGEST_WORDS])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form or script that did not come from a page of this site."""
    return error_page(request, 403, NO_CSRF)


NO_CSRF = "This did not come from a page of this site, or the page is too old. Reload it and try again."


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """404, with the words of who looked."""
    said = exception.args[0] if exception is not None and exception.args else ""
    # Django's own say which patterns were tried, or name a model.
    ours = isinstance(said, str) and not said.endswith("matches the given query.")
    return error_page(request, 404, said[:_LONGEST_WORDS] if ours else "")


def server_error(request: HttpRequest) -> HttpResponse:
    """500."""
    return error_page(request, 500)


class InWordsMiddleware(MiddlewareMixin):
    """Gives words to the errors that Django and its apps answer without any: 405 of a decorator, 403 of a bare response."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the answer, or a page in its place."""
        if response.status_code not in _TEXTS or response.status_code == 500 or request.method == "HEAD":
            return response
        if not isinstance(response, HttpResponse) or isinstance(response, JsonResponse):
            return response
        said = response.content
        bare = not said or (len(said) <= _LONGEST_WORDS and b"<" not in said and b"{" not in said)
        if not bare:
            return response
        detail = "" if response.status_code == 405 else said.decode(errors="replace")
        page = error_page(request, response.status_code, detail)
        for name, value in response.items():
            if name.lower() not in ("content-type", "content-length"):
                page[name] = value
        page.cookies = response.cookies
        return page

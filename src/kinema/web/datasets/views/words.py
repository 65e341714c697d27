"""What the library refuses, as a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from kinema.errors import KinemaError
from kinema.web.base.errors import error_page
from kinema.web.datasets.wording import on_a_page


def in_words(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer a `KinemaError` of a view with 400 and its line."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except KinemaError as error:
            return error_page(request, 400, on_a_page(str(error)))

    return answer

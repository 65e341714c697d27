"""The API: sessions with CSRF, tokens without, a valid description, errors in a line."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "correct horse battery"


def _strict() -> Any:
    from django.test import Client

    return Client(enforce_csrf_checks=True)


def _with(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def _job(owner: Any = None, **values: Any) -> Any:
    from kinema.web.jobs.models import Job

    return Job.objects.create(kind="test", title="a test", owner=owner, **values)


def test_the_description_is_valid_openapi_and_names_every_call(client: Any) -> None:
    described = client.get("/api/openapi.json").json()
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="openapi-spec-validator is not installed"
    )
    validator.validate(described)
    assert described["info"]["title"] == "kinema"
    # To upload, to predict, events, runs, and how far long work is.
    assert {
        "/api/videos/", "/api/videos/uploads/", "/api/videos/{pk}/predictions", "/api/review/clips", "/api/runs/",
        "/api/version", "/api/jobs/", "/api/jobs/{pk}", "/api/jobs/{pk}/cancel",
    } <= set(described["paths"])  # fmt: skip
    schemes = {
        scheme.get("scheme") or scheme["in"] for scheme in described["components"]["securitySchemes"].values()
    }
    assert schemes == {"bearer", "cookie"}
    page = client.get("/api/", headers={"Accept": "text/html"}).content.decode()
    for path in described["paths"]:
        assert path in page


def test_a_token_is_its_user_without_a_session(new_user: Any, asks: None) -> None:
    from kinema.web.base.models import ApiToken
    from kinema.web.base.tokens import make_token, revoke

    token, text = make_token(new_user(), "a script")
    client = _strict()
    assert client.get("/api/version").status_code == 401
    answer = client.get("/api/version", headers=_with(text))
    assert (answer.status_code, list(answer.json())) == (200, ["kinema"])
    assert ApiToken.objects.get().used is not None
    assert "kinema_session" not in client.cookies
    job = _job()
    assert client.post(f"/api/jobs/{job.pk}/cancel", headers=_with(text)).json()["state"] == "cancelled"
    # Pages are for people.
    assert client.get("/jobs/", headers=_with(text)).status_code == 302
    revoke(token)
    refused = client.get("/api/version", headers=_with(text))
    assert (refused.status_code, "unknown or revoked" in refused.json()["detail"]) == (401, True)


def test_a_token_ends_with_its_user_and_a_wrong_one_is_refused_where_nobody_signs_in(
    new_user: Any, client: Any
) -> None:
    from django.contrib.auth import get_user_model

    from kinema.web.base.tokens import make_token

    _, text = make_token(new_user(), "a script")
    assert client.get("/api/version", headers=_with(text)).status_code == 200
    get_user_model().objects.filter(username="ada").update(is_active=False)
    for wrong in (text, "kinema_wrong", "wrong"):
        assert client.get("/api/version", headers=_with(wrong)).status_code == 401


def test_a_session_needs_the_csrf_token_to_change_something(new_user: Any, asks: None) -> None:
    new_user()
    client = _strict()
    client.get("/login/")
    token = client.cookies["kinema_csrf"].value
    signed_in = client.post(
        "/login/", {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token}
    )
    assert signed_in.status_code == 302
    job = _job()
    refused = client.post(f"/api/jobs/{job.pk}/cancel")
    assert (refused.status_code, refused.json()["detail"][:44]) == (
        403,
        "This did not come from a page of this site, ",
    )
    token = client.cookies["kinema_csrf"].value
    taken = client.post(f"/api/jobs/{job.pk}/cancel", headers={"X-CSRFToken": token})
    assert (taken.status_code, taken.json()["state"]) == (200, "cancelled")


def test_only_the_owner_or_an_admin_cancels_a_job(new_user: Any, asks: None) -> None:
    from kinema.web.base.tokens import make_token

    grace, alan = new_user("grace", "reviewers"), new_user("alan", "reviewers")
    _, hers = make_token(grace, "x")
    _, his = make_token(alan, "x")
    _, admins = make_token(new_user(), "x")
    job, other = _job(grace), _job(grace)
    client = _strict()
    refused = client.post(f"/api/jobs/{job.pk}/cancel", headers=_with(his))
    assert (refused.status_code, refused.json()["detail"][:27]) == (403, "This job is somebody else's")
    assert client.post(f"/api/jobs/{job.pk}/cancel", headers=_with(hers)).status_code == 200
    assert client.post(f"/api/jobs/{other.pk}/cancel", headers=_with(admins)).status_code == 200


def test_jobs_are_listed_by_state_in_pages(client: Any) -> None:
    pks = [_job(state="done" if number % 2 else "queued").pk for number in range(5)]
    answer = client.get("/api/jobs/", {"state": "queued", "limit": 2}).json()
    assert (answer["count"], [job["id"] for job in answer["jobs"]]) == (3, [pks[4], pks[2]])
    assert client.get(f"/api/jobs/{pks[0]}").json()["title"] == "a test"


@pytest.mark.parametrize(
    ("method", "address", "status", "said"),
    [
        ("get", "/api/jobs/999999", 404, "Nothing here"),
        ("get", "/api/no/such/call", 404, "Nothing here"),
        ("get", "/api/jobs/?limit=many", 422, "query.limit: Input should be a valid integer"),
        ("get", "/api/jobs/?state=asleep", 422, "query.state: Input should be 'queued', 'running'"),
        ("post", "/api/version", 405, "Not that way"),
    ],
)
def test_errors_are_a_line(client: Any, method: str, address: str, status: int, said: str) -> None:
    answer = getattr(client, method)(address)
    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]
    assert answer.json()["detail"].startswith(said)
    assert "\n" not in answer.json()["detail"]


def test_what_the_library_refuses_is_a_line_too(client: Any) -> None:
    from django.test import RequestFactory

    from kinema.errors import DataError
    from kinema.web.api import api

    request = RequestFactory().get("/api/version")
    answer = api.on_exception(request, DataError("a.mp4: no frames can be read; give another file"))
    assert (answer.status_code, answer.content) == (
        400,
        b'{"detail": "a.mp4: no frames can be read; give another file"}',
    )


def test_a_failure_of_the_site_is_json_without_its_inside(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.web.jobs.models import Job

    def fail(self: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Job, "describe", fail)
    pk = _job().pk
    client.raise_request_exception = False
    answer = client.get(f"/api/jobs/{pk}")
    assert (answer.status_code, answer.json()["detail"].startswith("Something broke")) == (500, True)
    assert b"inside" not in answer.content

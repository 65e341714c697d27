"""Pages of videos: the list with uploads, one video with its timeline, what is asked of them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.web.base.errors import error_page
from kinema.web.base.files import video_kind
from kinema.web.recognizers import recognizer, recognizers
from kinema.web.videos import predictions, uploads
from kinema.web.videos.files import read_view
from kinema.web.videos.limits import Refused, in_words, largest
from kinema.web.videos.models import Prediction, Video

_A_PAGE = 12
_SHOWN = 10  # classes whose bars are shown


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Videos, newest first, and the place where new ones are dropped."""
    uploads.expire()
    limit = largest()
    context = {"recognizers": recognizers(), "limit": limit, "limit_words": in_words(limit)}
    return render(request, "videos/index.html", {**context, **_list(request)})


@require_safe
def cards(request: HttpRequest) -> HttpResponse:
    """The list alone, for the page that keeps itself up to date."""
    return render(request, "videos/cards.html", _list(request))


@require_POST
def upload_form(request: HttpRequest) -> HttpResponse:
    """Uploads from the plain form, each whole in one request."""
    wanted = str(request.POST.get("recognizer", ""))
    taken, refused = [], []
    for file in request.FILES.getlist("files"):
        try:
            taken.append(uploads.receive(file, request.user, wanted=wanted))
        except Refused as error:
            refused.append(error)
    if not taken:
        problem = (
            refused[0] if refused else Refused(400, "No file came along: choose one or more videos first.")
        )
        return error_page(request, problem.status, str(problem))
    for problem in refused:
        messages.error(request, str(problem))
    return redirect(taken[0] if len(taken) == 1 and not refused else reverse("videos:index"))


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One video: how far it is, or its player with the timeline."""
    video = get_object_or_404(Video.objects.select_related("job", "owner"), pk=pk)
    predictions.settle([video])
    found = predictions.newest(video, request.GET.get("prediction"))
    context: dict[str, Any] = {
        "video": video,
        "prediction": found,
        "others": list(video.predictions.select_related("job")),
        "recognizers": recognizers(),
        "place": predictions.place(found.job if found else video.job),
        "kind": video_kind(video.path),
        "may_delete": predictions.may_delete(video, request.user),
        "gone": video.state == Video.State.READY and not video.path.is_file(),
    }
    if found is not None and (found.done or found.running):
        context |= {**_timeline(found), "annotated": predictions.has(found, "annotated.mp4")}
    return render(request, "videos/show.html", context)


@require_safe
def timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """The timeline of a prediction alone, as far as it is."""
    found = get_object_or_404(Prediction.objects.select_related("video", "job"), pk=pk)
    context = _timeline(found)
    if not context:
        return HttpResponse(status=204)
    return render(request, "videos/timeline.html", {"prediction": found, "video": found.video, **context})


@require_POST
def predict(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a recognizer."""
    video = get_object_or_404(Video, pk=pk)
    try:
        chosen = recognizer(str(request.POST.get("recognizer", "")))
    except Http404:
        return error_page(request, 404, "This recognizer is not there any more. Go back and choose another.")
    if video.state != Video.State.READY:
        return error_page(
            request, 409, f"{video.name} is {video.get_state_display()}: wait until it is ready."
        )
    return redirect(predictions.ask(video, chosen, request.user))


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a video, after a question."""
    video = get_object_or_404(Video, pk=pk)
    predictions.check_may_delete(video, request.user)
    if request.method != "POST":
        return render(request, "videos/delete.html", {"video": video})
    if video.state == Video.State.UPLOADING:
        uploads.discard(video)
    else:
        predictions.delete(video)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"deleted": pk})
    messages.success(request, f"{video.name} is deleted.")
    return redirect("videos:index")


@require_POST
def delete_prediction(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete one prediction; the video stays."""
    found = get_object_or_404(Prediction.objects.select_related("video", "job"), pk=pk)
    video, title = found.video, found.title
    predictions.check_may_delete(video, request.user)
    predictions.delete_prediction(found)
    messages.success(request, f"What {title} said of it is deleted.")
    return redirect(video)


def _list(request: HttpRequest) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()
    state = request.GET.get("state", "")
    found = Video.objects.select_related("job", "owner").prefetch_related("predictions__job")
    if query:
        found = found.filter(name__icontains=query)
    if state in Video.State.values:
        found = found.filter(state=state)
    page = Paginator(found, _A_PAGE).get_page(request.GET.get("page"))
    predictions.settle(list(page.object_list))
    shown = [_card(video) for video in page.object_list]
    return {
        "page": page,
        "cards": shown,
        "query": query,
        "state": state,
        "states": Video.State.choices,
        "busy": any(card["busy"] for card in shown),
    }


def _card(video: Video) -> dict[str, Any]:
    found = list(video.predictions.all())
    going = next((one for one in found if one.running), None)
    done = next((one for one in found if one.done), None)
    failed = next((one for one in found if one.state == "failed"), None)
    job = going.job if going else video.job if video.state == Video.State.CHECKING else None
    return {
        "video": video,
        "going": going,
        "done": done,
        "failed": failed if not (going or done) else None,
        "job": job,
        "place": predictions.place(job),
        "busy": job is not None,
    }


def _timeline(found: Prediction) -> dict[str, Any]:
    try:
        view = read_view(found)
    except Http404:
        return {}
    places = view["places"]
    seconds = max(float(view["seconds"]), 1e-9)
    marks = {
        name: [
            {
                **entry,
                "place": places.get(entry["label"], "other"),
                "x": round(1000 * entry["start"] / seconds, 1),
                "width": max(2.0, round(1000 * (entry["end"] - entry["start"]) / seconds, 1)),
            }
            for entry in view.get(name, [])
        ]
        for name in ("segments", "events")
    }
    levels = view.get("video_probabilities") or {}
    summary = sorted(levels.items(), key=lambda item: -item[1])
    return {
        "view": view,
        "lanes": [{**lane, "place": places[lane["label"]]} for lane in view["lanes"]],
        "summary": [
            {"label": label, "share": share, "place": places.get(label, "other")}
            for label, share in summary[:_SHOWN]
        ],
        "until": 1000 * view["until"] / seconds if "until" in view else 1000,
        "half": seconds / 2,
        "decimals": 1 if seconds < 20 else 0,
        **marks,
    }

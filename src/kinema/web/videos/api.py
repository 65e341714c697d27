"""/api/videos/: upload, state, predict, results."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import File, Form, Router
from ninja.errors import HttpError
from ninja.files import UploadedFile

from kinema.web.recognizers import recognizer, recognizers
from kinema.web.videos import predictions, tus, uploads
from kinema.web.videos.limits import Refused
from kinema.web.videos.models import Prediction, Video
from kinema.web.videos.shapes import (
    PredictIn,
    PredictionOut,
    Problem,
    RecognizerOut,
    ResultOut,
    VideoOut,
    VideoPage,
    prediction_values,
    video_values,
)

router = Router()
_A_PAGE = 50


@router.get("/recognizers", response=list[RecognizerOut], summary="Recognizers that can be asked")
def list_recognizers(request: HttpRequest) -> Any:
    return [
        {"key": one.key, "title": one.title, "model": one.model, "classes": one.classes}
        for one in recognizers()
    ]


@router.get("/", response=VideoPage, summary="Videos, newest first")
def list_videos(request: HttpRequest, q: str = "", state: str = "", page: int = 1) -> Any:
    found = Video.objects.select_related("job").prefetch_related("predictions__job")
    if q:
        found = found.filter(name__icontains=q)
    if state:
        found = found.filter(state=state)
    shown = Paginator(found, _A_PAGE).get_page(page)
    predictions.settle(list(shown.object_list))
    return {
        "count": shown.paginator.count,
        "page": shown.number,
        "pages": shown.paginator.num_pages,
        "videos": [video_values(video) for video in shown.object_list],
    }


@router.post(
    "/",
    response={201: VideoOut, 400: Problem, 413: Problem, 507: Problem},
    summary="Upload a video in one request",
    description="Large files are better uploaded by the tus protocol at /api/videos/uploads/: it can go on where it was.",
)
def create_video(request: HttpRequest, file: File[UploadedFile], recognizer: Form[str] = "") -> Any:
    try:
        return 201, video_values(uploads.receive(file, request.user, wanted=recognizer))
    except Refused as refused:
        raise HttpError(refused.status, str(refused)) from refused


@router.api_operation(
    ["OPTIONS"], "/uploads/", summary="What the server can do (tus: versions, extensions, size)"
)
def describe_uploads(request: HttpRequest) -> HttpResponse:
    return tus.collection(request)


@router.post(
    "/uploads/",
    summary="Begin an upload that can be resumed (tus 1.0.0)",
    description="Headers: Tus-Resumable, Upload-Length, Upload-Metadata (filename, key, recognizer). Answers 201 with Location.",
)
def begin_upload(request: HttpRequest) -> HttpResponse:
    return tus.collection(request)


@router.api_operation(["HEAD"], "/uploads/{slug:token}/", summary="How far an upload is (tus: Upload-Offset)")
def ask_upload(request: HttpRequest, token: str) -> HttpResponse:
    return tus.upload(request, token)


@router.patch("/uploads/{slug:token}/", summary="The next piece of an upload (tus: at Upload-Offset)")
def continue_upload(request: HttpRequest, token: str) -> HttpResponse:
    return tus.upload(request, token)


@router.delete("/uploads/{slug:token}/", summary="Give an upload up (tus)")
def end_upload(request: HttpRequest, token: str) -> HttpResponse:
    return tus.upload(request, token)


@router.get("/{int:pk}", response={200: VideoOut, 404: Problem}, summary="One video")
def read_video(request: HttpRequest, pk: int) -> Any:
    video = _video(pk)
    predictions.settle([video])
    return video_values(video)


@router.delete(
    "/{int:pk}", response={204: None, 403: Problem, 404: Problem}, summary="Delete a video and all results"
)
def delete_video(request: HttpRequest, pk: int) -> Any:
    video = _video(pk)
    predictions.check_may_delete(video, request.user)
    if video.state == Video.State.UPLOADING:
        uploads.discard(video)
    else:
        predictions.delete(video)
    return 204, None


@router.post(
    "/{int:pk}/predictions",
    response={201: PredictionOut, 404: Problem, 409: Problem},
    summary="Ask a recognizer",
)
def create_prediction(request: HttpRequest, pk: int, asked: PredictIn) -> Any:
    video = _video(pk)
    if video.state != Video.State.READY:
        raise HttpError(409, f"{video.name}: it is {video.get_state_display()}; wait until it is ready")
    return 201, prediction_values(predictions.ask(video, recognizer(asked.recognizer), request.user))


@router.get(
    "/{int:pk}/predictions",
    response={200: list[PredictionOut], 404: Problem},
    summary="Predictions of a video, newest first",
)
def list_predictions(request: HttpRequest, pk: int) -> Any:
    return [prediction_values(found) for found in _video(pk).predictions.select_related("job", "video")]


@router.get(
    "/{int:pk}/predictions/{int:number}",
    response={200: PredictionOut, 404: Problem},
    summary="How far a prediction is",
)
def read_prediction(request: HttpRequest, pk: int, number: int) -> Any:
    return prediction_values(_prediction(pk, number))


@router.get(
    "/{int:pk}/predictions/{int:number}/result",
    response={200: ResultOut, 404: Problem, 409: Problem},
    summary="The result, as kinema predict writes it",
)
def read_result(request: HttpRequest, pk: int, number: int) -> Any:
    found = _prediction(pk, number)
    if not found.done:
        raise HttpError(409, f"{found.video.name}: the prediction is {found.state}; wait until it is done")
    return json.loads(found.result("json").read_text(encoding="utf-8"))


@router.delete(
    "/{int:pk}/predictions/{int:number}",
    response={204: None, 403: Problem, 404: Problem},
    summary="Delete a prediction; one that goes on is cancelled",
)
def delete_prediction(request: HttpRequest, pk: int, number: int) -> Any:
    found = _prediction(pk, number)
    predictions.check_may_delete(found.video, request.user)
    predictions.delete_prediction(found)
    return 204, None


def _video(pk: int) -> Video:
    video: Video = get_object_or_404(Video.objects.select_related("job", "owner"), pk=pk)
    return video


def _prediction(pk: int, number: int) -> Prediction:
    found: Prediction = get_object_or_404(
        Prediction.objects.select_related("job", "video"), pk=number, video_id=pk
    )
    return found

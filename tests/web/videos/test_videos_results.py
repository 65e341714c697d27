"""What a prediction on the site gives: the numbers of `kinema predict`, its files, players' ranges, WebVTT, the API."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.video import VideoWriter

pytestmark = pytest.mark.usefixtures("files_of_its_own")


class _Told:
    """A job's progress, and what was on the disk meanwhile."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, done: float, total: float, message: str = "") -> None:
        self.messages.append(message)

    def check(self) -> None: ...


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic seconds: a square that moves, stands still, moves back."""
    path = tmp_path_factory.mktemp("clips") / "square.mp4"
    with VideoWriter(path, 25) as writer:
        for index in range(100):
            image = np.zeros((96, 128, 3), np.uint8)
            x = min(index, 40) if index < 60 else 100 - index
            image[30:60, x : x + 30] = 180
            writer.write(image)
    return path


def _ready(path: Path, name: str = "square dance.mp4") -> Any:
    from kinema.web.jobs.kinds import kind
    from kinema.web.videos.models import Video

    data = path.read_bytes()
    video = Video.objects.create(name=name, size=len(data), state="checking")
    video.folder.mkdir(parents=True)
    video.file = f"videos/{video.pk}/original.mp4"
    video.save()
    video.path.write_bytes(data)
    kind("video-check").work({"video": video.pk}, _Told())
    video.refresh_from_db()
    return video


def _predicted(video: Any) -> Any:
    from kinema.web.base.local_user import local_user
    from kinema.web.jobs.kinds import kind
    from kinema.web.recognizers import recognizers
    from kinema.web.videos import predictions

    found = predictions.ask(video, recognizers()[0], local_user())
    kind("video-predict").work(dict(found.job.arguments), _Told())
    found.refresh_from_db()
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as table:
        return list(csv.DictReader(table))


@pytest.mark.usefixtures("database")
def test_the_results_equal_those_of_the_command(clip: Path, recognizer_folder: Path, tmp_path: Path) -> None:
    from kinema.cli.app import run

    found = _predicted(_ready(clip))
    assert run(["predict", str(recognizer_folder), str(clip), "--out", str(tmp_path / "out")]) == 0
    theirs = json.loads((tmp_path / "out" / "square.json").read_text())
    ours = json.loads(found.result("json").read_text())
    assert (ours.pop("video"), theirs.pop("video")) == ("square dance.mp4", str(clip))
    for event in [*ours["events"], *theirs["events"]]:
        event.pop("source"), event.pop("id")
    assert ours == theirs
    assert len(ours["timeline"]) == 20  # four seconds at five a second
    frames = _rows(tmp_path / "out" / "frame_predictions.csv")
    for row in frames:
        row["video"] = "square dance.mp4"
    assert _rows(found.folder / "frame_predictions.csv") == frames
    assert len(frames) == 100
    assert found.result("vtt").read_text() == (tmp_path / "out" / "square.vtt").read_text()
    assert (found.label, found.done, found.state) == (theirs["label"], True, "done")
    assert found.confidence == pytest.approx(theirs["confidence"], abs=1e-5)


@pytest.mark.usefixtures("database")
def test_a_prediction_that_is_begun_again_ends_in_the_same(clip: Path) -> None:
    from kinema.web.jobs.kinds import kind
    from kinema.web.videos.models import Prediction

    found = _predicted(_ready(clip))
    before = found.result("json").read_bytes()
    Prediction.objects.update(done=False)
    kind("video-predict").work(dict(found.job.arguments), _Told())
    assert found.result("json").read_bytes() == before
    assert not list(found.folder.glob("preview.*"))


@pytest.mark.usefixtures("database")
def test_pictures_and_timeline_can_be_watched_while_it_goes_on(
    clip: Path, recognizer_folder: Path, tmp_path: Path
) -> None:
    from PIL import Image

    from kinema.evaluation.predictions import predict_to_folder
    from kinema.evaluation.preview import Preview
    from kinema.models import Recognizer

    sizes = []
    plain = predict_to_folder(Recognizer.load(recognizer_folder), [clip], tmp_path / "plain", annotate=False)
    with Preview(Recognizer.load(recognizer_folder), tmp_path / "seen", every=0.0, seconds=4.0) as watched:
        seen = predict_to_folder(watched, [clip], tmp_path / "seen", annotate=False)
    with Image.open(tmp_path / "seen" / "preview.jpg") as picture:
        sizes.append((picture.format, picture.size))
    assert sizes == [("JPEG", (320, 240))]  # 128 x 96, enlarged so that text can be read on it
    partial = json.loads((tmp_path / "seen" / "preview.json").read_text())
    assert (partial["classes"], partial["seconds"], partial["until"]) == (["jump", "sit", "wave"], 4.0, 3.8)
    np.testing.assert_array_equal(seen.videos[0].probabilities, plain.videos[0].probabilities)
    first, second = ((tmp_path / name / "square.json").read_text() for name in ("plain", "seen"))
    assert first == second


@pytest.mark.usefixtures("database")
def test_a_video_that_breaks_fails_in_words_without_a_path(clip: Path) -> None:
    from kinema.errors import KinemaError

    video = _ready(clip)
    video.path.write_bytes(b"gone bad")
    with pytest.raises(KinemaError, match=r"^square dance\.mp4: not a readable video") as caught:
        _predicted(video)
    assert str(video.folder) not in str(caught.value)


def test_files_are_sent_with_ranges_and_under_names_that_say_what_they_are(
    client: Any, clip: Path, content_of: Callable[[Any], bytes]
) -> None:
    found = _predicted(_ready(clip))
    here = f"/videos/predictions/{found.pk}"
    whole = content_of(client.get(f"{here}/annotated.mp4"))
    part = client.get(f"{here}/annotated.mp4", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part["Content-Range"], part["Content-Type"]) == (
        206, f"bytes 100-199/{len(whole)}", "video/mp4",
    )  # fmt: skip
    assert content_of(part) == whole[100:200]
    saved = client.get(f"{here}/frames.csv?save")["Content-Disposition"]
    assert saved == 'attachment; filename="square dance-frames.csv"'
    own = client.get(f"/videos/{found.video.pk}/original?save")["Content-Disposition"]
    assert own == 'attachment; filename="square dance.mp4"'
    saved = client.get(f"{here}/chapters.vtt?save")
    assert saved["Content-Disposition"] == 'attachment; filename="square dance-chapters.vtt"'
    assert saved["Content-Type"] == "text/vtt; charset=utf-8"
    for name in ("events.csv", "timeline.json", "subtitles.vtt", "chapters.vtt", "view.json", "summary.csv"):
        assert client.get(f"{here}/{name}").status_code == 200, name
    for name in ("parts.json", "original.rows", "recognizer.json"):
        assert client.get(f"{here}/{name}").status_code == 404, name


def test_the_page_shows_the_result_without_a_script(client: Any, clip: Path) -> None:
    found = _predicted(_ready(clip))
    page = client.get(f"/videos/{found.video.pk}/").content.decode()
    for text in ("<video controls", f"/videos/{found.video.pk}/original", "annotated.mp4", 'kind="chapters"',
                 "What happens when", "Downloads", found.label, 'class="timeline card"'):  # fmt: skip
        assert text in page, text
    assert "style=" not in page
    assert "<script>" not in page


def test_the_api_tells_how_far_it_is_and_gives_what_predict_writes(client: Any, clip: Path) -> None:
    video = _ready(clip)
    offered = next(one for one in client.get("/api/videos/recognizers").json() if one["title"] == "untrained")
    assert offered["classes"] == ["jump", "sit", "wave"]
    asked = client.post(
        f"/api/videos/{video.pk}/predictions", {"recognizer": offered["key"]}, content_type="application/json"
    )
    waiting = asked.json()
    assert (asked.status_code, waiting["state"], waiting["place"]) == (201, "queued", 1)
    here = f"/api/videos/{video.pk}/predictions/{waiting['id']}"
    answer = client.get(f"{here}/result")
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "square dance.mp4: the prediction is queued; wait until it is done",
    )  # fmt: skip
    assert client.delete(here).status_code == 204
    found = _predicted(video)
    told = client.get(f"/api/videos/{video.pk}").json()
    assert (told["state"], told["duration"], told["width"], told["height"]) == ("ready", 4.0, 128, 96)
    assert [(entry["state"], entry["label"]) for entry in told["predictions"]] == [("done", found.label)]
    result = client.get(f"/api/videos/{video.pk}/predictions/{found.pk}/result").json()
    assert result == json.loads(found.result("json").read_text())
    assert client.get(told["predictions"][0]["files"]["subtitles.vtt"]).status_code == 200
    assert client.delete(f"/api/videos/{video.pk}").status_code == 204
    assert client.get(f"/api/videos/{video.pk}").status_code == 404


def test_a_video_is_uploaded_by_the_api_in_one_request(
    client: Any, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clip.open("rb") as file:
        answer = client.post("/api/videos/", {"file": file})
    told = answer.json()
    assert (answer.status_code, told["name"], told["state"], told["offset"]) == (
        201, "square.mp4", "checking", clip.stat().st_size,
    )  # fmt: skip
    monkeypatch.setenv("KINEMA_UPLOAD_LIMIT", "1K")
    with clip.open("rb") as file:
        answer = client.post("/api/videos/", {"file": file})
    assert answer.status_code == 413
    assert answer.json()["detail"].endswith("and a video may have 1 KB at most here")


def test_an_annotated_copy_that_could_not_be_written_is_not_offered(client: Any, clip: Path) -> None:
    found = _predicted(_ready(clip))
    offered = client.get(f"/api/videos/{found.video.pk}").json()["predictions"][0]["files"]
    assert sorted(offered) == [
        "annotated.mp4", "chapters.vtt", "events.csv", "frames.csv", "subtitles.vtt", "summary.csv", "timeline.json",
    ]  # fmt: skip
    found.result("mp4").unlink()
    offered = client.get(f"/api/videos/{found.video.pk}").json()["predictions"][0]["files"]
    assert "annotated.mp4" not in offered
    page = client.get(f"/videos/{found.video.pk}/").content.decode()
    assert "annotated.mp4" not in page
    assert "Subtitles" in page


def test_a_video_whose_file_is_gone_is_told(client: Any, clip: Path) -> None:
    from kinema.errors import KinemaError

    video = _ready(clip)
    video.path.unlink()
    assert (
        "The file of this video is not in the folder of the site any more"
        in client.get(f"/videos/{video.pk}/").content.decode()
    )
    assert client.get(f"/videos/{video.pk}/original").status_code == 404
    with pytest.raises(KinemaError, match=r"^square dance\.mp4: no such file"):
        _predicted(video)

"""The job "train": progress, a cancel that keeps what was learned, kill -9, and the pages that show it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

CLIP: dict[str, Any] = {"frames": 4, "fps": 5, "height": 48, "width": 48}
BACKBONE: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}
_PATIENCE = 300_000  # ms: the process of a job is nicer than all others, and loads torch, on a machine that may do much else
SMALL = ["frames=4", "fps=5", "height=48", "width=48", "backbone=test_resnet", "weights=none"]


class Told:
    """A `Progress` that remembers what it was told, and cancels at the n-th epoch."""

    def __init__(self, cancel_at: int = 0) -> None:
        self.shares: list[float] = []
        self.texts: list[str] = []
        self._cancel_at = cancel_at

    def __call__(self, done: float, total: float, message: str = "") -> None:
        from kinema.web.jobs.kinds import Cancelled

        self.shares.append(done / total)
        self.texts.append(message)
        if self._cancel_at and message.startswith(f"epoch {self._cancel_at} "):
            raise Cancelled("cancelled")

    def check(self) -> None:
        """Nobody presses the button."""


def arguments(data: Path, folder: Path, epochs: int = 4) -> dict[str, Any]:
    return {
        "run": str(folder), "data": str(data), "model": "motion_moments", "clip": CLIP, "model_settings": BACKBONE,
        "settings": {"epochs": epochs, "flip": False}, "folds": None, "device": "torch",
    }  # fmt: skip


@pytest.mark.usefixtures("database")
def test_a_cancelled_training_keeps_what_it_learned_and_is_gone_on_with(
    two_actions: Path, tmp_path: Path
) -> None:
    from kinema.web.jobs.kinds import Cancelled
    from kinema.web.runs.catalogue import read_history
    from kinema.web.runs.tasks import train

    folder = tmp_path / "runs" / "one"
    told = Told(cancel_at=2)
    with pytest.raises(Cancelled):
        train(arguments(two_actions, folder), told)
    assert (folder / "checkpoint" / "plan.json").is_file()
    assert len(read_history(folder)) == 2
    assert told.shares == sorted(told.shares)
    assert any(text.startswith("epoch 1 of 4, loss ") for text in told.texts)
    assert "extracting features: 16 of 16 clips" in told.texts

    # The same job again, as after a kill: it goes on with the third epoch.
    told = Told()
    result = train(arguments(two_actions, folder), told)
    assert [text[:12] for text in told.texts if text.startswith("epoch")] == ["epoch 3 of 4", "epoch 4 of 4"]
    assert [row["epoch"] for row in read_history(folder)] == [1, 2, 3, 4]
    assert (folder / "results.json").is_file()
    assert result["url"] == f"/runs/{result['run']}/"
    # And once more: it is finished, and left as it is.
    before = (folder / "results.json").stat().st_mtime_ns
    assert train(arguments(two_actions, folder), Told()) == result
    assert (folder / "results.json").stat().st_mtime_ns == before


@pytest.fixture
def listens() -> Iterator[None]:
    """SIGINT is heard, as in the process of a job: what a shell begins in the background ignores it, these tests too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("database")
def test_asked_to_end_it_stops_at_its_next_step_and_makes_no_run_of_half_a_training(
    two_actions: Path, tmp_path: Path, listens: None
) -> None:
    """As when the server is stopped: SIGINT to the process of the job."""
    from kinema.web.runs.catalogue import read_history
    from kinema.web.runs.tasks import train

    folder = tmp_path / "runs" / "asked"

    def progress(done: float, total: float, message: str = "") -> None:
        if message.startswith("epoch 2 "):
            os.kill(os.getpid(), signal.SIGINT)

    progress.check = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        train(arguments(two_actions, folder, 3000), progress)  # type: ignore[arg-type]
    assert 2 <= len(read_history(folder)) < 3000
    assert (folder / "checkpoint" / "plan.json").is_file()
    assert not (folder / "results.json").exists()


@pytest.mark.usefixtures("database")
def test_cancelled_before_anything_was_learned_nothing_is_left(two_actions: Path, tmp_path: Path) -> None:
    from kinema.web.jobs.kinds import Cancelled
    from kinema.web.runs.tasks import train

    folder = tmp_path / "runs" / "none"

    def progress(done: float, total: float, message: str = "") -> None:
        if message.startswith("extracting features:"):
            raise Cancelled("cancelled")

    progress.check = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(Cancelled):
        train(arguments(two_actions, folder), progress)  # type: ignore[arg-type]
    assert not folder.exists()


class Api:
    """The JSON API of a site, with the token that changes need."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=120)
        self._client.get("/runs/start/")

    def get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()

    def post(self, path: str, values: Any = None) -> Any:
        token = self._client.cookies["kinema_csrf"]
        return self._client.post(path, json=values, headers={"X-CSRFToken": token}).raise_for_status().json()

    def data(self) -> str:
        """The key of the manifest of the synthetic actions."""
        return next(one["key"] for one in self.get("/api/datasets/") if one["title"] == "two-actions")

    def cancel_all(self) -> None:
        """Empty the queue of trainings, where a test that failed left some."""
        for job in self.get("/api/runs/trainings"):
            if job["state"] in ("queued", "running"):
                self.post(f"/api/jobs/{job['id']}/cancel")

    def until(self, path: str, wanted: Callable[[Any], bool], seconds: float = 400) -> Any:
        """Ask until it is so."""
        end = time.monotonic() + seconds
        while not wanted(found := self.get(path)):
            assert time.monotonic() < end, found
            time.sleep(0.1)
        return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_start_watch_and_cancel_in_a_browser(
    runs_site: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    with open_page(runs_site.address) as page:
        page.set_default_timeout(_PATIENCE)
        page.goto("/runs/start/")
        page.get_by_label("Data").select_option(label="two-actions")
        page.get_by_label("Name").fill("watched")
        page.get_by_label("Epochs").fill("5000")
        page.get_by_text("More settings").click()
        page.get_by_label("Further settings").fill("\n".join(SMALL))
        screenshot(page, "runs-start-light")
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_url("**/runs/training/**")
        page.locator(".curve polyline").first.wait_for()  # the curve grows while it learns
        page.get_by_text("epoch").first.wait_for()
        screenshot(page, "runs-training-light")
        page.goto("/runs/")
        assert page.get_by_role("heading", name="At work").is_visible()
        page.follow(page.get_by_role("link", name="Train watched"))
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("cancelled", exact=True).wait_for()
        page.goto("/runs/")
        page.get_by_role("button", name="Resume watched").wait_for()
        screenshot(page, "runs-unfinished-light")
        page.get_by_role("button", name="Resume watched").click()
        page.wait_for_url("**/runs/training/**")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("cancelled", exact=True).wait_for()


def _children(parent: int, what: str) -> list[int]:
    """Return the processes of this site alone: another test may have one of the same job."""
    found = subprocess.run(["pgrep", "-P", str(parent), "-f", what], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_survives_kill_9_of_its_process_and_ends_as_a_run_and_a_recognizer(
    runs_site: Any, open_page: Callable[..., Any]
) -> None:
    api = Api(runs_site.address)
    api.cancel_all()
    data = api.data()
    job = api.post("/api/runs/trainings", {"data": data, "name": "killed", "epochs": 60, "further": SMALL})
    address = f"/api/runs/trainings/{job['id']}"
    begun = api.until(address, lambda found: len(found["history"]) >= 3)
    (worker,) = _children(runs_site.process.pid, "jobs.worker")
    (child,) = _children(worker, "jobs.child")
    os.kill(child, signal.SIGKILL)
    done = api.until(address, lambda found: found["state"] not in ("queued", "running"))
    assert (done["state"], done["error"]) == ("done", "")
    assert [row["epoch"] for row in done["history"]] == list(range(1, 61))
    # A run that was begun is only ever gone on with: to train it anew is refused.
    assert done["history"][:3] == begun["history"][:3]
    assert "killed" in [run["name"] for run in api.get("/api/runs/")]
    with open_page(runs_site.address) as page:
        page.set_default_timeout(_PATIENCE)
        page.goto(f"/runs/training/{job['id']}/")
        page.get_by_role("link", name="See the run").click()
        page.get_by_role("heading", name="killed").wait_for()
        page.goto("/")
        page.get_by_role("heading", name="killed").wait_for()  # among the recognizers

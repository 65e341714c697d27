"""Teaching in a browser: takes from a camera and from clips, keys, words where there is no camera, and the live view after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinema.video import VideoWriter, open_source

PHONE = {"width": 360, "height": 740}
_SOON = 240_000  # milliseconds; seconds on a machine that has nothing else to do


def synthetic(path: Path, moving: bool, seed: int, seconds: float = 1.5) -> Path:
    """A synthetic square that moves down, or stands."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(0, 120, (6, 8, 3), dtype=np.uint8), (160, 120))
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 20) as out:
        count = round(seconds * 20)
        for index in range(count):
            picture = ground.copy()
            top = 4 + index * 76 // count if moving else 40
            picture[top : top + 40, 50:90] = (230, 200, 120)
            out.write(picture)
    return path


def as_camera(clip: Path, target: Path) -> Path:
    """A clip as the file that Chromium's made-up camera plays over and over."""
    with open_source(clip) as video, target.open("wb") as out:
        for frame in video.frames(fps=20, size=(320, 240)):
            done, data = cv2.imencode(".jpg", frame.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
            assert done
            out.write(data.tobytes())
    return target


@pytest.fixture
def with_camera(browser: Any) -> Iterator[Callable[..., Any]]:
    """`with_camera(file)` starts a Chromium whose camera plays a file, and gives a page of a new context."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    started: list[Any] = []

    def start(file: Path, address: str, *flags: str) -> Any:
        flags = flags or ("--use-fake-ui-for-media-stream",)
        other = browser.browser_type.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={file}",
                *flags,
            ],
        )
        started.append(other)
        return other.new_context(base_url=address).new_page()

    yield start
    for other in started:
        other.close()


def begin(page: Any, *labels: str, nothing: bool = False, scripts: bool = True) -> None:
    """Name the actions and go to the project's page; by then its scripts listen, unless told to go on earlier."""
    page.goto("/teach/", timeout=_SOON)  # the first page of a cold server
    for number, label in enumerate(labels, 1):
        page.get_by_label(f"Action {number}").fill(label)
    page.get_by_label("Also learn “nothing”").set_checked(nothing)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", level=1, name=", ".join(labels)).wait_for(timeout=_SOON)
    if scripts:
        page.wait_for_load_state(timeout=_SOON)


def add_clips(page: Any, label: str, paths: list[Path]) -> None:
    page.get_by_label(f"Add clips of {label}, up to").set_input_files([str(path) for path in paths])


def until_ready(page: Any, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelectorAll('[data-actions] .take[data-state=ready]').length === count", arg=count,
        timeout=_SOON,
    )  # fmt: skip


def train(page: Any) -> None:
    page.get_by_role("button", name="Train").click()
    page.locator("#result").wait_for(timeout=_SOON)


def serious(page: Any) -> list[str]:
    """What axe-core finds that keeps people out, once nothing fades in any more."""
    page.evaluate(
        "Promise.all(document.getAnimations().filter(one => isFinite(one.effect.getComputedTiming().endTime))"
        ".map(one => one.finished))"
    )
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dropped_clips_become_a_recognizer(
    start_site: Callable[..., Any], open_page: Callable[..., Any], screenshot: Any, tmp_path: Path
) -> None:
    site = start_site()
    clips = {
        label: [synthetic(tmp_path / label / f"{i}.mp4", label == "move", i) for i in range(4)]
        for label in ("move", "stand")
    }
    with open_page(site.address, bypass_csp=True) as page:
        begin(page, "move", "stand")
        assert page.get_by_role("button", name="Train").is_disabled()
        assert page.get_by_text("Record takes of 'move' and 'stand'.").is_visible()
        for label, paths in clips.items():
            add_clips(page, label, paths)
        until_ready(page, 8)
        assert page.get_by_text("Ready.", exact=True).is_visible()
        screenshot(page, "teach-takes-light")
        train(page)
        page.locator("#result").get_by_text("of 8", exact=False).first.wait_for()
        page.wait_for_function("() => document.activeElement?.id === 'result'")
        assert serious(page) == []
        screenshot(page, "teach-result-light")
        place = page.url
        # One take less: it goes without a reload, and the count with it.
        page.get_by_role("button", name="Delete take 1 of move").click()
        page.wait_for_function("() => document.querySelectorAll('[data-actions] .take').length === 7")
    for name, context in (
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": PHONE}),
        ("phone-dark", {"viewport": PHONE, "color_scheme": "dark"}),
    ):
        with open_page(site.address, bypass_csp=True, **context) as page:
            page.goto(place)
            assert page.get_by_text("Takes were added or deleted since").is_visible()
            assert serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            screenshot(page, f"teach-result-{name}")
            page.goto("/teach/")
            assert serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            screenshot(page, f"teach-index-{name}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_nothing_to_a_live_prediction_by_the_camera(
    start_site: Callable[..., Any],
    with_camera: Callable[..., Any],
    screenshot: Any,
    test_data: Path,
    tmp_path: Path,
) -> None:
    """Two real clips play before the camera: takes of both by keys, trained, and the live view with the second one."""
    site = start_site()
    fed = {
        label: as_camera(
            sorted((test_data / "ut-interaction" / label).glob("set1_*.avi"))[1], tmp_path / f"{label}.mjpeg"
        )
        for label in ("hand_shaking", "pushing")
    }
    first = with_camera(fed["hand_shaking"], site.address)
    begin(first, "hand_shaking", "pushing")
    place = first.url
    first.get_by_role("button", name="Open the camera").click()
    first.locator("[data-preview]").wait_for()
    first.keyboard.press("1")
    first.keyboard.press(" ")
    first.locator("[data-stage].recording").wait_for(timeout=_SOON)
    screenshot(first, "teach-recording")
    until_ready(first, 4)
    first.context.close()  # its preview would go on being drawn
    second = with_camera(fed["pushing"], site.address)
    second.goto(place)
    second.get_by_role("button", name="Open the camera").click()
    second.locator("[data-preview]").wait_for()
    # The action that lacks takes is chosen already.
    assert second.get_by_role("button", name="Record 4 takes of “pushing”").is_visible()
    second.keyboard.press(" ")
    until_ready(second, 8)
    second.keyboard.press("t")
    second.locator("#result").wait_for(timeout=_SOON)
    screenshot(second, "teach-camera-result")
    second.get_by_text("8 of 8", exact=True).wait_for()
    second.get_by_role("link", name="Try it live").click()
    second.wait_for_url("**/live/**")
    second.locator("[data-label]", has_text="pushing").wait_for(timeout=_SOON)
    screenshot(second, "teach-live")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pauses_between_takes_are_learned_as_nothing(
    site: Any, with_camera: Callable[..., Any], tmp_path: Path
) -> None:
    page = with_camera(as_camera(synthetic(tmp_path / "a.mp4", True, 1), tmp_path / "a.mjpeg"), site.address)
    begin(page, "move", "stand", nothing=True)
    page.get_by_role("button", name="Open the camera").click()
    page.locator("[data-preview]").wait_for()
    page.get_by_role("button", name="One take").click()
    until_ready(page, 2)
    pause = page.locator("[data-nothing] .take")
    assert pause.count() == 1
    assert "pause" in pause.inner_text()
    # Escape ends what was begun, and nothing of it is kept.
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '%s', bubbles: true }))"
    counts = "!document.querySelector('[data-big]').hidden"
    assert page.evaluate(f"() => {{ {press % ' '}; const did = {counts}; {press % 'Escape'}; return did; }}")
    page.get_by_role("button", name="One take").wait_for()
    assert page.locator("[data-actions] .take").count() == 2


def test_without_a_camera_the_page_says_so_and_clips_still_come_in(page: Any) -> None:
    begin(page, "wave", "clap")
    page.get_by_role("button", name="Open the camera").click()
    page.get_by_text("No camera was found. Plug one in and try again.").wait_for()
    assert page.get_by_label("Add clips of wave").count() == 1


def test_a_refused_camera_is_explained(site: Any, with_camera: Callable[..., Any], tmp_path: Path) -> None:
    file = as_camera(synthetic(tmp_path / "a.mp4", True, 1), tmp_path / "a.mjpeg")
    page = with_camera(file, site.address, "--deny-permission-prompts")
    begin(page, "wave", "clap")
    page.get_by_role("button", name="Open the camera").click()
    page.get_by_text(
        "The camera was refused. Allow it in the browser's address bar and try again."
    ).wait_for()


def test_a_page_that_is_not_secure_says_what_to_do(page: Any) -> None:
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { get: () => false })")
    begin(page, "wave", "clap")
    page.get_by_text("Browsers give a camera to secure pages only.").wait_for()
    page.get_by_role("button", name="Open the camera").wait_for(state="hidden")


def test_a_clip_that_is_no_video_is_refused_on_its_tile(page: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    begin(page, "wave", "clap")
    add_clips(page, "wave", [broken])
    page.locator(".take[data-state=refused]").get_by_text("not a readable video", exact=False).wait_for(
        timeout=_SOON
    )
    assert page.get_by_text("0 takes").count() == 2


def test_clips_chosen_before_the_script_is_there_are_sent(page: Any, tmp_path: Path) -> None:
    page.expected.append("400")
    held: list[Any] = []
    page.route("**/teach/project*.js", lambda route: held.append(route))
    page.route("**/takes/", lambda route: route.fulfill(status=400, json={"detail": "it was sent"}))
    begin(page, "wave", "clap", scripts=False)
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"a clip")
    add_clips(page, "wave", [clip])
    assert held, "the script came before the clip was chosen"
    held.pop().continue_()
    page.locator(".take[data-state=refused]").get_by_text("it was sent").wait_for()


def test_names_that_do_not_do_stay_on_the_page(
    open_page: Callable[..., Any], site: Any, screenshot: Any
) -> None:
    with open_page(site.address, bypass_csp=True) as page:
        page.expected.append("400")
        page.goto("/teach/")
        screenshot(page, "teach-index-light")
        assert serious(page) == []
        page.get_by_label("Action 1").fill("wave")
        page.get_by_label("Also learn “nothing”").uncheck()
        page.get_by_role("button", name="Another action").click()
        assert page.get_by_label("Action 4").evaluate("element => element === document.activeElement")
        page.get_by_role("button", name="Start").click()
        assert page.get_by_role("alert").inner_text().startswith("name two actions at least")
        assert page.get_by_label("Action 1").input_value() == "wave"


def test_a_camera_opened_twice_in_a_moment_is_one_camera_that_is_not_exchanged_while_it_records(
    page: Any, two_cameras: str
) -> None:
    page.add_init_script(two_cameras)
    begin(page, "wave", "clap")
    page.get_by_role("button", name="Open the camera").evaluate(
        "button => { button.click(); button.click(); }"
    )
    cameras = page.get_by_role("combobox", name="Camera")
    cameras.wait_for()
    assert page.evaluate("films.filter((film) => film.getVideoTracks()[0].readyState === 'live').length") == 1
    # Keys in one task of the page: nothing is recorded in between.
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '%s', bubbles: true }))"
    busy = "document.querySelector('[data-cameras]').disabled"
    assert page.evaluate(f"() => {{ {press % 'o'}; const was = {busy}; {press % 'Escape'}; return was; }}")
    page.get_by_role("button", name="One take").wait_for()
    assert cameras.is_enabled()


def _one_clip(page: Any, tmp_path: Path) -> None:
    clip = tmp_path / "a.webm"
    clip.write_bytes(b"what a browser recorded")
    add_clips(page, "wave", [clip])


_LOST = """
const ask = window.fetch;
window.lost = 0;
window.fetch = async (address, options) => {
    const answer = await ask(address, options);
    if (!String(address).endsWith("/takes/") || window.lost || !answer.ok) return answer;
    window.lost += 1; // the server has it, and was restarted before it could say so
    throw new TypeError("Failed to fetch");
};
"""


def test_a_take_whose_answer_is_lost_is_there_once(page: Any, tmp_path: Path) -> None:
    page.add_init_script(_LOST)
    begin(page, "wave", "clap")
    _one_clip(page, tmp_path)
    tile = page.locator(".take:not([data-take=''])")  # the number that the server gave it
    tile.wait_for(timeout=_SOON)
    assert page.evaluate("lost") == 1
    place = page.evaluate("document.querySelector('[data-state-url]').dataset.stateUrl")
    known = page.request.get(place).json()["takes"]
    assert [str(take["id"]) for take in known] == [tile.get_attribute("data-take")]


def test_a_take_waits_for_a_server_that_is_away_for_long(
    page: Any, until: Callable[..., None], tmp_path: Path
) -> None:
    page.expected.append("ERR_FAILED")
    asked: list[Any] = []
    page.route("**/takes/", lambda route: (asked.append(route), route.abort()))
    begin(page, "wave", "clap")
    page.clock.install()
    _one_clip(page, tmp_path)
    page.get_by_text("The server does not answer", exact=False).first.wait_for()
    for number in range(2, 9):
        page.clock.fast_forward(30_000)
        until(page, lambda number=number: len(asked) >= number)  # type: ignore[misc]
    assert page.locator(".take[data-state=refused]").count() == 0
    page.unroute("**/takes/")
    with page.expect_response(lambda answer: answer.url.endswith("/takes/") and answer.ok):
        page.clock.fast_forward(30_000)


def test_training_waits_for_the_take_that_is_still_sent(
    page: Any, until: Callable[..., None], tmp_path: Path
) -> None:
    standing = {"can_train": True, "text": "Ready."}
    page.route("**/state/", lambda route: route.fulfill(json={"takes": [], "standing": standing}))
    held: list[Any] = []
    page.route("**/takes/", lambda route: held.append(route))
    begin(page, "wave", "clap")
    page.evaluate("document.querySelector('[data-train-button]').disabled = false")
    with page.expect_request("**/takes/"):
        _one_clip(page, tmp_path)
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.type), dialog.accept()))
    order: list[str] = []
    page.on(
        "request",
        lambda request: order.append(request.url.split("/")[-2]) if request.method == "POST" else None,
    )
    page.on(
        "requestfinished", lambda request: order.append("sent") if request.url.endswith("/takes/") else None
    )
    page.get_by_role("button", name="Train").click()
    page.get_by_text("when the last take is there", exact=False).wait_for()
    until(page, lambda: held)
    with page.expect_request("**/train/"):
        held.pop().continue_()
    assert said == []
    assert order == ["sent", "train"]


def test_a_take_deleted_by_two_clicks_is_deleted_once(page: Any, tmp_path: Path) -> None:
    page.expected.append("404.*/thumbnail")  # its picture may be asked for when it is gone
    begin(page, "wave", "clap")
    _one_clip(page, tmp_path)
    delete = page.locator(".take:not([data-take='']) [data-delete-take] button")
    delete.wait_for()
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if request.url.endswith("/delete/") else None
    )
    delete.evaluate("button => { button.click(); button.click(); }")
    page.locator(".take").wait_for(state="detached")
    assert len(asked) == 1

"""The desktop window, on a virtual screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kinema.errors import KinemaError, UsageError
from kinema.events import Event, EventRules
from kinema.streaming.display import WindowSink
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks import StreamInfo

INFO = StreamInfo(["idle", "fall"], ["door", "yard", "hall"], EventRules(), None)
LEVELS = (60, 120, 180)


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a display of 1400x1000 that nobody else uses."""
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (Debian: xvfb)")
    read, write = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(write)
        with os.fdopen(read) as numbers:
            number = numbers.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
        server.terminate()


@pytest.fixture
def on_screen(screen: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return screen


def view(source: int, at: float) -> View:
    return View(source, at, 0.0, np.full((240, 320, 3), LEVELS[source], np.uint8))


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def screenshot(screen: str) -> np.ndarray:
    """The pixels of the virtual screen, through a Tk of its own process."""
    code = (
        "import sys, PIL.ImageGrab as grab; image = grab.grab(xdisplay=sys.argv[1]).convert('RGB');"
        "sys.stdout.buffer.write(b'%d %d\\n' % image.size + image.tobytes())"
    )
    found = subprocess.run([sys.executable, "-c", code, screen], capture_output=True, check=True).stdout
    head, _, pixels = found.partition(b"\n")
    width, height = map(int, head.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def key(screen: str, name: str) -> None:
    """Press a key in the window that has the focus, from another client of the screen."""
    code = (
        "import sys, ctypes, ctypes.util as u; x = ctypes.CDLL(u.find_library('X11')); t = ctypes.CDLL(u.find_library('Xtst'));"
        "x.XOpenDisplay.restype = ctypes.c_void_p; d = ctypes.c_void_p(x.XOpenDisplay(sys.argv[1].encode()));"
        "x.XStringToKeysym.restype = ctypes.c_ulong;"
        "k = x.XKeysymToKeycode(d, ctypes.c_ulong(x.XStringToKeysym(sys.argv[2].encode())));"
        "t.XTestFakeMotionEvent(d, -1, 200, 200, 0);"
        "t.XTestFakeKeyEvent(d, k, 1, 0); t.XTestFakeKeyEvent(d, k, 0, 0); x.XFlush(d); x.XSync(d, 0)"
    )
    subprocess.run([sys.executable, "-c", code, screen, name], check=True)


def test_the_sources_stand_side_by_side_with_what_is_said_of_them(on_screen: str, tmp_path: Path) -> None:
    sink = WindowSink(per_second=1000)
    sink.open(INFO)
    values = np.array([0.2, 0.8], np.float32)
    sink.row(Row(0, "door", 0.0, values, values, True, True, 0.0, 0.0, 0.0, 0.0, 0.01, 0.001, 0.02))
    sink.event(Event("fall", 0.0, 0.0, 0.9, 0.0, 0.8, source="door", id="a", ended=False))
    sink.notice(Notice("lost", "yard", "yard: lost", 0.0))

    def there() -> bool:
        for source in range(3):
            sink.view(view(source, 0.0))
        time.sleep(0.1)
        picture = screenshot(on_screen)
        return all(abs(int(picture[y, x, 0]) - level) < 3 for y, x, level in SPOTS)

    # Two by two cells of 480x360, the middle of each: 60, 120, 180, and black where there is no fourth.
    SPOTS = [(180, 400, 60), (180, 720, 120), (540, 240, 180), (540, 720, 0)]
    try:
        assert until(there)
        picture = screenshot(on_screen)
        assert picture[:70, :180].max() > 200  # the panel of the first: white text
        assert picture[330:360, 480:640].max() > 200  # "yard - lost"
        assert picture[:70, 480:660].max() < 130  # nothing is known of the second
    finally:
        sink.close()


@pytest.mark.parametrize("how", ["q", "Escape"])
def test_a_key_stops_the_engine(on_screen: str, how: str) -> None:
    stopped: list[int] = []
    sink = WindowSink(lambda: stopped.append(1), per_second=1000)
    sink.open(INFO)
    sink.view(view(0, 0.0))
    try:
        import ctypes.util

        if ctypes.util.find_library("Xtst") is None:
            pytest.skip("needs libXtst to press a key")
        time.sleep(0.5)
        key(on_screen, how)
        assert until(lambda: bool(stopped))
        for at in range(50):
            sink.view(view(0, at))  # what still comes is taken in silence
        assert stopped == [1]
    finally:
        sink.close()


def test_a_window_that_dies_is_told_once_and_stops_nobody(on_screen: str) -> None:
    stopped: list[int] = []
    sink = WindowSink(lambda: stopped.append(1), per_second=1000)
    sink.open(INFO)
    assert sink._process is not None
    os.kill(sink._process.pid, signal.SIGKILL)
    sink._process.wait()
    told = 0
    for at in range(200):
        try:
            sink.view(view(0, at))
        except KinemaError as error:
            told += 1
            assert str(error) == "window: it has gone (its process ended with -9); the rest goes on"
    sink.close()
    assert (told, stopped) == (1, [])


def test_without_a_screen_the_user_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    if sys.platform != "linux":
        pytest.skip("only X11 can be without a screen")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UsageError) as caught:
        WindowSink().open(INFO)
    assert str(caught.value) == (
        "window: there is no screen to open a window on (no display name and no $DISPLAY environment variable); "
        "leave the window out, or run it on a desktop"
    )


def test_without_tkinter_the_user_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tkinter.py").write_text("raise ImportError('no')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"has no tkinter; install your system's package of it .*python3-tk"):
        WindowSink().open(INFO)


def test_closing_leaves_no_process(on_screen: str) -> None:
    sink = WindowSink()
    sink.open(INFO)
    process = sink._process
    assert process is not None
    sink.view(view(0, 0.0))
    sink.close()
    assert process.returncode == 0

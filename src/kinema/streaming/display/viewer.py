"""The window itself: a program of its own, which shows pictures from its stdin until it is closed.

It is started by `WindowSink` and imports nothing but the standard library: a screen that goes away, at which X11 ends the
whole process, takes no recorder with it, and systems that allow windows in a program's main thread alone are served.

stdin: `WIDTH HEIGHT\\n` and WIDTH * HEIGHT * 3 bytes of RGB, again and again. stdout: `ready`, `shown` after each picture,
and `closed` when the user has closed the window or pressed q; where there is no screen, `failed: WHY`.
"""

from __future__ import annotations

import queue
import sys
import threading

_POLL = 15  # milliseconds


def main() -> int:
    """Run until the window or stdin is closed."""
    try:
        import tkinter
    except ImportError:
        _say("failed: this Python has no tkinter; install your system's package of it (Debian: python3-tk)")
        return 1
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        _say(f"failed: there is no screen to open a window on ({' '.join(str(error).split())})")
        return 1
    root.title(sys.argv[1] if len(sys.argv) > 1 else "kinema")
    root.configure(background="black")
    label = tkinter.Label(root, borderwidth=0, background="black")
    label.pack(fill="both", expand=True)
    pictures: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(pictures,), daemon=True).start()

    def close(_: object = None) -> None:
        _say("closed")
        root.destroy()

    def poll() -> None:
        newest = None
        try:
            while True:
                newest = pictures.get_nowait()
                if newest is None:
                    root.destroy()
                    return
        except queue.Empty:
            pass
        if newest is not None:
            image = tkinter.PhotoImage(data=newest, format="ppm")
            label.configure(image=image)
            label.image = image  # type: ignore[attr-defined]  # Tk itself keeps no reference
            root.update_idletasks()
            _say("shown")
        root.after(_POLL, poll)

    root.protocol("WM_DELETE_WINDOW", close)
    for key in ("q", "Q", "<Escape>"):
        root.bind(key, close)
    _say("ready")
    root.after(0, poll)
    root.mainloop()
    return 0


def _read(pictures: queue.Queue[bytes | None]) -> None:
    stream = sys.stdin.buffer
    while header := stream.readline():
        width, height = (int(word) for word in header.split())
        pixels = stream.read(width * height * 3)
        if len(pixels) < width * height * 3:
            break
        pictures.put(b"P6 %d %d 255\n" % (width, height) + pixels)
    pictures.put(None)


def _say(word: str) -> None:
    try:
        print(word, flush=True)
    except OSError:
        return  # nobody listens any more; the end of stdin closes the window


if __name__ == "__main__":
    sys.exit(main())

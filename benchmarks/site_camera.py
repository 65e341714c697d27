"""A camera for benchmarks of the site: MJPEG over HTTP, until the end of stdin.

    python benchmarks/site_camera.py [--fps 25]

Prints its port. The pictures are made up, and encoded beforehand.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

_SIZE = (640, 480)


def pictures() -> list[bytes]:
    """A bright disc that moves over a blurred ground, 50 JPEGs."""
    width, height = _SIZE
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 200, (height, width, 3), dtype=np.uint8), (0, 0), 4)
    found = []
    for index in range(50):
        picture = ground.copy()
        cv2.circle(picture, (60 + index * 10, 240), 50, (240, 240, 240), -1)
        found.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return found


def main() -> None:
    """Serve them on a free port."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--fps", type=float, default=25.0)
    fps, film = made.parse_args().fps, pictures()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            began, index = time.monotonic(), 0
            with suppress(OSError):
                while True:
                    data = film[index % len(film)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    index += 1
                    time.sleep(max(0.0, began + index / fps - time.monotonic()))

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

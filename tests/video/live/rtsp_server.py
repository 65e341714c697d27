"""A real RTSP server: GStreamer's, with synthetic pictures. Run with the system's Python, which has its bindings:

    /usr/bin/python3 rtsp_server.py --port 8554 --size 320x240

Paths: /h264, /jpeg (with pictures), /sound (audio only). Prints "ready" once it listens.
"""

import argparse
import sys


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    options = parser.parse_args()

    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    width, height = options.size.split("x")
    pictures = (
        f"videotestsrc is-live=true pattern=ball ! "
        f"video/x-raw,format=I420,width={width},height={height},framerate={options.fps}/1"
    )
    h264 = f"openh264enc gop-size={max(1, options.fps // 2)} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"
    launches = {
        "/h264": f"( {pictures} ! {h264} )",
        "/jpeg": f"( {pictures} ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
        "/sound": "( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay0 )",
    }
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    if options.user:
        _protect(GstRtspServer, server, options.user, options.password)
    for path, launch in launches.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        if options.user:
            rights = GstRtspServer.RTSPPermissions()
            rights.add_permission_for_role("viewer", "media.factory.access", True)
            rights.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(rights)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {options.port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


def _protect(rtsp, server, user: str, password: str) -> None:
    auth = rtsp.RTSPAuth()
    token = rtsp.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


if __name__ == "__main__":
    main()

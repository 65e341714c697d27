"""What waits for one viewer of a live stream, and what server and engine say to each other."""

from __future__ import annotations

import asyncio
import io

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

from kinema.web.live import wire
from kinema.web.live.viewer import Picture, Viewer


def test_all_viewers_are_sent_the_very_same_bytes() -> None:
    picture = Picture(1.5, b"\xff\xd8jpeg")
    assert picture.part is picture.part
    assert picture.message is picture.message
    assert picture.message == b"\x3f\xf8\x00\x00\x00\x00\x00\x00\xff\xd8jpeg"
    # Chromium shows a picture once it has read the headers of the next one.
    assert picture.part == b"\xff\xd8jpeg\r\n--kinemaframe\r\nContent-Type: image/jpeg\r\n\r\n"


def test_rows_are_left_out_for_who_takes_none_and_events_are_not() -> None:
    async def test() -> None:
        viewer = Viewer(None)
        for number in range(300):
            viewer.tell(f'{{"row":{number}}}', needed=False)
        viewer.tell('{"event":1}')
        found = await viewer.next()
        assert found is not None
        assert (len(found[0]), found[0][0], found[0][-1], viewer.left_out) == (
            241,
            '{"row":0}',
            '{"event":1}',
            60,
        )
        for number in range(2001):
            viewer.tell(str(number))
        assert viewer.closed  # whoever takes nothing at all is given up

    asyncio.run(test())


def test_messages_of_the_pipe_go_there_and_back() -> None:
    packed = wire.pack({"type": "picture", "name": "Tür"}, b"\x00\x01")
    assert packed[:8] == b"\x00\x00\x00\x20\x00\x00\x00\x02"
    assert wire.read(io.BytesIO(packed)) == ('{"type":"picture","name":"Tür"}', b"\x00\x01")
    assert wire.read(io.BytesIO(packed[:-1])) is None
    assert wire.read(io.BytesIO(b"\xff" * 16)) is None

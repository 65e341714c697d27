"""Ctrl-C after OpenVINO: its CPU plugin gives a thread a stack for signals that may go away with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import gc, os, signal, sys
from pathlib import Path
import numpy as np
from kinema.models.runtimes.graphs import open_graph

path = Path(sys.argv[1])
pictures = {"x": np.ones((1, 4), np.float32)}
first, second = (open_graph(path, 1, openvino=True) for _ in range(2))
first.run(pictures)
del first
gc.collect()
second.run(pictures)
del second
gc.collect()
spread = [np.ones(5_000) for _ in range(500)]  # takes the memory that was given back
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.slow
def test_ctrl_c_after_openvino_is_a_keyboard_interrupt(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    path = tmp_path / "relu.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    # A process of its own: what went wrong took the whole process with it.
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr

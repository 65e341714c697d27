"""`import kinema` is quick and light, and hands on what it names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import kinema


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import kinema; print(time.perf_counter() - t)"
    assert min(float(python(code).stdout) for _ in range(3)) < 0.3


def test_a_whole_interpreter_with_kinema_starts_quickly() -> None:
    def seconds(code: str) -> float:
        since = time.perf_counter()
        python(code)
        return time.perf_counter() - since

    bare = min(seconds("pass") for _ in range(3))
    assert min(seconds("import kinema") for _ in range(3)) < bare + 0.3


def test_import_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'cv2', 'numpy', 'av', 'matplotlib', 'sklearn', 'lightning', 'timm', 'scipy'}"
    assert python(f"import sys, kinema; print(sorted({heavy} & set(sys.modules)))").stdout == "[]\n"


def test_every_public_name_resolves() -> None:
    for name in kinema.__all__:
        assert getattr(kinema, name) is not None, name
    assert callable(kinema.train) and callable(kinema.evaluate) and callable(kinema.open_source)
    assert set(dir(kinema)) == set(kinema.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", kinema.__version__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    try:
        kinema.trian  # noqa: B018
    except AttributeError as error:
        assert "trian" in str(error)
    else:
        raise AssertionError("kinema.trian exists")


def test_the_command_and_the_module_have_one_version() -> None:
    from importlib.metadata import version

    assert version("kinema") == kinema.__version__
    code = "from kinema.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == f"kinema {kinema.__version__}\n"

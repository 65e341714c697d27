"""What every test may use: the folder of real videos, and a cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real videos that `KINEMA_TEST_DATA` names; the test is skipped where it is not set."""
    folder = os.environ.get("KINEMA_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("KINEMA_TEST_DATA does not name a folder of test videos")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests never read or fill the user's cache."""
    before = os.environ.get("KINEMA_CACHE")
    os.environ["KINEMA_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["KINEMA_CACHE"]
    else:
        os.environ["KINEMA_CACHE"] = before

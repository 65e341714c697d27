"""The database part of the tests on PostgreSQL, a site on it, and migrations that say all that the models do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_database_part_passes_on_postgresql(postgres: str) -> None:
    files = sorted(str(path) for path in HERE.glob("test_database_*.py"))
    assert len(files) > 5
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files],
        capture_output=True,
        text=True,
        env={**os.environ, "DATABASE_URL": postgres},
        cwd=HERE.parents[1],
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_site_on_postgresql_serves_and_works(
    postgres: str, start_site: Callable[..., Any], tmp_path: Path
) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("CREATE DATABASE site")
    env = {
        "DATABASE_URL": postgres.replace("/postgres", "/site"),
        "PYTHONPATH": str(HERE / "job_kinds"),
        "DJANGO_SETTINGS_MODULE": "kinema.web.settings",
        "KINEMA_SITE": str(tmp_path / "site"),
    }
    site = start_site(folder=tmp_path / "site", env=env)
    assert not (tmp_path / "site" / "site.sqlite3").exists()
    code = (
        "import django, sys; django.setup(); from kinema.web.jobs import queue; "
        "print(queue.add('test-steps', 'steps', {'steps': 3, 'pause': 0.1, 'diary': sys.argv[1]}).pk)"
    )
    added = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "diary")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **env},
    )
    pk = int(added.stdout)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        job = httpx.get(f"{site.address}/api/jobs/{pk}", timeout=60).json()
        if job["ended"]:
            break
        time.sleep(0.2)
    assert (job["state"], job["result"]) == ("done", {"steps": 3})
    assert site.stop() == 0


def test_a_database_that_cannot_be_used_is_a_line_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="needs the PostgreSQL driver of kinema[dev]")
    for address, said in (
        ("postgresql://kinema:secretword@127.0.0.1:1/none", "connection"),
        ("oracel://kinema:secretword@127.0.0.1/none", "Scheme 'oracel://' is unknown"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "kinema", "serve", "--folder", str(tmp_path / "site"), "--no-browser"],
            capture_output=True, text=True, timeout=200, env={**os.environ, "DATABASE_URL": address},
        )  # fmt: skip
        begins = f"kinema: DATABASE_URL: the database cannot be used ({said}"
        assert (done.returncode, done.stderr[: len(begins)]) == (3, begins)
        assert len(done.stderr.strip().splitlines()) == 1
        assert "secretword" not in done.stderr


def test_migrations_leave_no_changes(database: None) -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=1)

"""Where a study lives: a database that several processes and machines open, and that hands a trial to one of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from kinema.errors import KinemaError, UsageError

T = TypeVar("T")
_HEARTBEAT = 20  # seconds; a process that was killed is noticed after twice as long
_ATTEMPTS = 6
RETRIES = 2  # of a trial whose process was killed
# What databases say to a process that makes the tables at the moment when another one does.
_MADE_BY_ANOTHER = ("already exists", "unique constraint", "duplicate", "locked", "integrityerror")


def sqlite_url(folder: Path) -> str:
    """Return the address of the study that a folder keeps."""
    return f"sqlite:///{folder.resolve() / 'study.db'}"


def open_storage(url: str) -> Any:
    """Return the optuna storage at an address. Raises `UsageError` where it is no address or cannot be opened."""
    optuna = import_optuna()
    if "://" not in url:
        raise UsageError(
            f"--storage {url}: give an address such as sqlite:///study.db or postgresql+psycopg://HOST/NAME"
        )
    kind = optuna.storages.RDBStorage
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        kind = _taking_turns(kind)
        options = {"connect_args": {"timeout": 120}}  # several processes write in turn
    stale = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
    for attempt in range(_ATTEMPTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return kind(
                    url,
                    engine_kwargs=options,
                    heartbeat_interval=_HEARTBEAT,
                    heartbeat_stale_trial_callback=stale,
                )
        except Exception as error:  # drivers raise a dozen kinds
            text = f"{error} {error.__cause__ or ''}"
            if attempt + 1 < _ATTEMPTS and any(word in text.lower() for word in _MADE_BY_ANOTHER):
                time.sleep(0.5 + attempt)
                continue
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            place = url.rpartition("@")[2]
            if url.startswith("sqlite:///"):
                raise KinemaError(f"{url.removeprefix('sqlite:///')}: cannot be opened ({reason})") from error
            raise UsageError(f"--storage …{place}: cannot be opened ({reason})") from error
    raise AssertionError


def once(
    study: Any, what: str, storage: str, job: Callable[[], T], wait: Callable[[], None] = lambda: None
) -> T | None:
    """Run `job` in exactly one of all processes that ask for `what` of a study; None where another does it, or has.

    Where the one that did it was stopped or killed, the next that asks begins anew. A killed one is known by its missing
    heartbeat, which takes a while: `wait` is called before that.
    """
    optuna = import_optuna()
    for attempt in count(1):
        name = f"{study.study_name}: {what}" + (f", attempt {attempt}" if attempt > 1 else "")
        try:  # a database does not name two studies alike
            own = optuna.create_study(storage=open_storage(storage), study_name=name)
        except optuna.exceptions.DuplicatedStudyError:
            if _goes_on(optuna.load_study(study_name=name, storage=open_storage(storage)), wait):
                return None
            continue
        found: list[T] = []

        def objective(trial: Any, found: list[T] = found) -> float:
            found.append(job())
            return 0.0

        own.optimize(objective, n_trials=1)  # with a heartbeat
        return found[0]
    raise AssertionError


def _goes_on(study: Any, wait: Callable[[], None]) -> bool:
    """Whether the one trial of a study is done, or at work in a process that lives."""
    optuna = import_optuna()
    until, told = time.monotonic() + 2 * _HEARTBEAT + 5, False
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.storages.fail_stale_trials(study)
        states = {trial.state.name for trial in study.get_trials(deepcopy=False)}
        if "COMPLETE" in states:
            return True
        if "FAIL" in states:
            return False
        if time.monotonic() > until:
            return "RUNNING" in states
        if not told:
            told = True
            wait()
        time.sleep(min(1.0, _HEARTBEAT / 4))


def import_optuna() -> Any:
    """Return optuna with its log silenced. Raises `UsageError` where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError("kinema tune needs the tune extra: pip install 'kinema[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def _taking_turns(kind: Any) -> Any:
    """Return optuna's storage with one process at a time that takes a waiting trial.

    optuna reads that a trial waits and then writes that it runs. SQLite knows no SELECT ... FOR UPDATE: between the two
    another process reads the same, and runs the trial too. A lock on a file beside the database goes with the process
    that held it, whatever ends it; a transaction that locks from its first statement did not, under Ctrl-C.
    """
    from filelock import FileLock

    class Storage(kind):  # type: ignore[misc]  # optuna is loaded only where a search is run
        def set_trial_state_values(self, trial_id: int, state: Any, values: Any = None) -> bool:
            if state.name != "RUNNING" or not self.engine.url.database:
                return bool(super().set_trial_state_values(trial_id, state, values))
            with FileLock(f"{self.engine.url.database}.lock"):
                return bool(super().set_trial_state_values(trial_id, state, values))

    return Storage

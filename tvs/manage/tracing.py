"""Trace orders: put into the state directory, and confirmed by what every worker of the running service reports."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tvs.errors import StateError
from tvs.log.tracing import number_of
from tvs.system.files import read_regular, remove_left_over, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tvs.log.tracing import TraceOrder
    from tvs.state import StateDirectory

    Report = Mapping[str, Any]

PATIENCE: Final = 20.0
"""Seconds in which every worker must have reported that it carries out the order; one or two are usual."""
POLL: Final = 0.2
"""Seconds between two questions."""
MODE: Final = 0o600
"""Permissions of the file: it names devices."""
_CLOSED: Final = "closed"
"""State of a worker slot that was given up: the other workers have its phones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What every worker has confirmed.

    Attributes:
        workers: number of workers that do, which is all of them.
        slots: number of worker slots, those that were given up too.
        trace: the order in force as `/status.json` has it.
    """

    workers: int
    slots: int
    trace: Mapping[str, Any]


def change_trace(state: StateDirectory, order: TraceOrder | None, fetch: Callable[[], Report]) -> Confirmed:
    """Gives an order to the running service, and waits until every worker carries it out.

    An order that is not confirmed is taken back: nothing begins later that nobody waits for.

    Args:
        state: the service's state directory.
        order: the order; None ends the one in force.
        fetch: asks the service for its report; raises the caller's own error if none comes.

    Raises `StateError`, and what `fetch` raises when it is asked first.
    """
    state.require()
    if "trace" not in fetch():
        raise StateError("the service is of an earlier release, which takes no such orders: restart it")
    data = b"" if order is None else order.to_bytes()
    try:
        with state.rights():
            _put(state.trace_file, data)
        return _confirmed(state, number_of(data), fetch)
    except BaseException:  # Ctrl-C too
        if data:
            with contextlib.suppress(OSError, StateError), state.rights():
                _take_back(state.trace_file, data)
        raise


def _put(path: Path, data: bytes) -> None:
    try:
        if data:
            write_atomically(path, data, mode=MODE)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{path}: cannot be changed: {error.strerror}; run this as the directory's owner") from None


def _take_back(path: Path, data: bytes) -> None:
    """Removes the order unless another command has put its own in the place."""
    if read_regular(path, len(data)) == data:
        path.unlink()
    remove_left_over(path)


def _confirmed(state: StateDirectory, number: str, fetch: Callable[[], Report]) -> Confirmed:
    until = time.monotonic() + PATIENCE
    while True:
        problem: str | Exception
        try:
            report = fetch()
            problem = _problem(report, number)
            if not problem:
                trace: Mapping[str, Any] = report["trace"]
                return Confirmed(workers=len(_serving(report)), slots=len(report["workers"]), trace=trace)
        except Exception as error:  # noqa: BLE001 - the admin process may be replaced at this moment
            problem = error
        if time.monotonic() >= until:
            raise StateError(_sentence(state, number, problem))
        time.sleep(POLL)


def _serving(report: Report) -> list[Report]:
    return [worker for worker in report["workers"] if worker["state"] != _CLOSED]


def _problem(report: Report, number: str) -> str:
    """Why not every worker carries out the order; empty if all do."""
    serving = _serving(report)
    behind = [worker for worker in serving if worker["state"] != "running" or worker["trace"] != number]
    if report["trace"]["number"] != number:
        other = "another order is in force" if number and report["trace"]["number"] else "it has not noticed"
        return f"{other} (is {report['service']['state']})"
    if behind or not serving:
        numbers = ", ".join(f"{worker['slot']} ({worker['state']})" for worker in behind)
        return f"{len(serving) - len(behind)} of {len(serving)} workers confirm it; not worker {numbers or 'any'}"
    return ""


def _sentence(state: StateDirectory, number: str, problem: str | Exception) -> str:
    taken_back = "; it was taken back" if number else ""
    return (
        f"the service did not confirm the order within {PATIENCE:g} s{taken_back}: {problem}. "
        f"Is {state.path} the state directory of the service that was asked? Its log says more"
    )

"""What monitoring is told, made from what the supervisor knows. Pure: the time is an argument.

The document comes from `tvs.process.supervisor`: ``time``, ``state``, ``workers`` (``slot``, ``state``, ``pid``,
``heard``, ``status``), ``restarts``, ``reload_successful``, ``processes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

STALLED: Final = 5.0
"""Seconds without a sign of life after which a process is not healthy."""
WORKER_STATES: Final = ("starting", "running", "waiting", "closed", "stopping")
"""``waiting``: for its next start. ``closed``: given up, phones go to the other workers."""
RESTART_REASONS: Final = ("exited", "failed", "killed", "hung")
"""Why a worker was replaced: it ended by itself, with an error, by a signal, or gave no sign of life."""
Document = dict[str, Any]


def _silence(document: Document, now: float) -> float:
    """Seconds since the last sign of life of the process that was silent the longest."""
    heard = [worker["heard"] for worker in document.get("workers", ()) if worker["state"] == "running"]
    return max(0.0, now - float(min([document.get("time", 0.0), *heard])))


def health(document: Document, now: float) -> tuple[bool, Document]:
    """Whether the supervisor and all workers that run have given a sign of life lately."""
    silence = _silence(document, now)
    good = silence < STALLED
    return good, {"status": "ok" if good else "stalled", "silent_seconds": round(silence, 3)}


def readiness(document: Document) -> tuple[bool, Document]:
    """Whether phones get complete answers, whichever worker they come to; else why not."""
    workers = document.get("workers", [])
    serving = [worker for worker in workers if worker["state"] != "closed"]
    reasons = list(_reasons(document, serving))
    return not reasons, {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        **_caches([worker["status"] for worker in serving if worker["status"]]),
        "connections": sum(worker["status"].get("connections", 0) for worker in workers),
        "workers": [_short(worker) for worker in workers],
    }


def _reasons(document: Document, serving: Iterable[Document]) -> Iterable[str]:
    if document.get("state") != "running":
        yield {"stopping": "draining"}.get(document.get("state", ""), "starting")
    found: dict[str, list[int]] = {}
    for worker in serving:
        status = worker["status"]
        reasons = status.get("reasons", ()) if worker["state"] == "running" else (f"worker is {worker['state']}",)
        for reason in reasons:
            found.setdefault(reason, []).append(worker["slot"])
    for reason, slots in found.items():
        yield f"{reason} (worker {', '.join(map(str, slots))})"


def _caches(statuses: list[Document]) -> Document:
    """The caches of all workers in one: what the one that is furthest behind has."""
    if not statuses:
        return {}
    databases, lists = [status["db"] for status in statuses], [status["ctl"] for status in statuses]
    states = [ctl["state"] for ctl in lists]
    return {
        "db": {
            "up": all(db["up"] for db in databases),
            "certificates": min(db["certificates"] for db in databases),
            "generation": min(db["generation"] for db in databases),
        },
        "ctl": {
            "state": next((state for state in states if state != "ok"), states[0]),
            "certificates": min(ctl["certificates"] for ctl in lists),
            "generation": min(ctl["generation"] for ctl in lists),
        },
    }


def _short(worker: Document) -> Document:
    return {key: worker[key] for key in ("slot", "state", "pid")}


def out_of_sync(document: Document) -> int:
    """How many workers do not answer from what the others answer from.

    The newest wins: the highest change number of the store, the CTL file that was put in use last.
    """
    running = [worker["status"] for worker in document.get("workers", ()) if worker["state"] == "running"]
    if not running:
        return 0
    number = max(status["db"]["change_number"] for status in running)
    newest = max(running, key=lambda status: status["ctl"]["last_success"] or 0.0)["ctl"]["content"]
    return sum(status["db"]["change_number"] != number or status["ctl"]["content"] != newest for status in running)

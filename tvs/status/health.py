"""Health and readiness, computed from the service's status. Pure: the time is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tvs.status.model import ServiceState, SlotState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tvs.status.cluster import ClusterStatus
    from tvs.status.model import ServiceStatus, SlotStatus, WorkerStatus

    Document = dict[str, Any]

STALLED: Final = 5.0
"""Seconds without a sign of life after which a process is not healthy."""
TVS: Final = "TVS"
"""The ``use`` of the certificate that phones are presented, as in the metrics."""
SIGNER: Final = "signer"
"""The ``use`` of a list's signer; its ``name`` is that of the list."""
CTL_FILE: Final = "CTLFile.tlv"
_NOT_RUNNING: Final = {ServiceState.STARTING: "starting", ServiceState.STOPPING: "draining"}


def health(status: ServiceStatus, now: float) -> tuple[bool, Document]:
    """Whether the supervisor and all running workers gave a sign of life lately, and the body of ``/healthz``.

    Args:
        status: what the supervisor published last.
        now: monotonic seconds.
    """
    seen = [slot.last_seen for slot in status.slots if slot.state is SlotState.RUNNING]
    silence = max(0.0, now - min([status.time, *seen]))
    healthy = silence < STALLED
    return healthy, {"status": "ok" if healthy else "stalled", "silent_seconds": round(silence, 3)}


class Expired(NamedTuple):
    """A certificate in use that has expired.

    Attributes:
        use: `TVS` or `SIGNER`.
        name: its name in its unit, or that of the list.
        not_after: its end of validity, seconds since 1970.
    """

    use: str
    name: str
    not_after: float


def readiness(
    status: ServiceStatus, now: float, cluster: ClusterStatus | None = None, monotonic: float = 0.0
) -> tuple[bool, Document]:
    """Whether phones get complete answers from every worker, and the body of ``/readyz``.

    A certificate that has expired is shown, and is not a reason: phones are answered as before. So is the age of the
    copy with which the service started because the database could not be read, and the staleness of what this node
    serves: there is nothing better to answer from. What the service has to be reloaded for is shown too: without
    any node in service no phone would be answered at all.

    Args:
        status: what the supervisor published last.
        now: seconds since 1970.
        cluster: what the follower published last; None if that is not asked for.
        monotonic: monotonic seconds at the same moment.
    """
    serving = [slot for slot in status.slots if slot.state is not SlotState.CLOSED]
    reasons = list(_reasons(status, serving))
    caches = _caches([slot.worker for slot in serving if slot.worker is not None])
    if caches and status.copy_as_of is not None:
        caches["db"]["copy_age"] = round(max(0.0, now - status.copy_as_of))
    return not reasons, {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        **caches,
        **_node(cluster, monotonic),
        "expired": [f"{use} {name}" for use, name, _ in expired(status, now)],
        "service_behind": [] if cluster is None else cluster.service_behind,
        "connections": sum(slot.worker.connections for slot in status.slots if slot.worker is not None),
        "workers": [{"slot": slot.slot, "state": slot.state, "pid": slot.pid} for slot in status.slots],
    }


def _node(cluster: ClusterStatus | None, monotonic: float) -> Document:
    """What this node serves; nothing before the follower's first publication."""
    if cluster is None or (staleness := cluster.staleness(monotonic)) is None:
        return {}
    return {
        "node": {
            "name": cluster.node,
            "generation": cluster.generation,
            "cluster_generation": cluster.current,
            "staleness": round(staleness, 1),
            **({"problem": cluster.problem} if cluster.problem else {}),
        }
    }


def _reasons(status: ServiceStatus, serving: Iterable[SlotStatus]) -> Iterator[str]:
    if status.state in _NOT_RUNNING:
        yield _NOT_RUNNING[status.state]
    found: dict[str, list[int]] = {}
    for slot in serving:
        for reason in _reasons_of_slot(slot):
            found.setdefault(reason, []).append(slot.slot)
    for reason, numbers in found.items():
        yield f"{reason} (worker {', '.join(map(str, numbers))})"


def _reasons_of_slot(slot: SlotStatus) -> tuple[str, ...]:
    if slot.state is not SlotState.RUNNING or slot.worker is None:
        return (f"worker is {slot.state}",)
    return slot.worker.reasons


def _caches(workers: list[WorkerStatus]) -> Document:
    """The caches of all workers in one: the smallest numbers, and the first state that is not good."""
    if not workers:
        return {}
    states = [worker.ctl.state for worker in workers]
    return {
        "db": {
            "up": all(worker.db.up for worker in workers),
            "certificates": min(worker.db.certificates for worker in workers),
            "generation": min(worker.db.generation for worker in workers),
            **_problem(workers),
        },
        "ctl": {
            "state": next((state for state in states if state != "ok"), states[0]),
            "certificates": min(worker.ctl.certificates for worker in workers),
            "generation": min(worker.ctl.generation for worker in workers),
        },
    }


def _problem(workers: list[WorkerStatus]) -> Document:
    """Why the database cannot be read, as the first worker that cannot read it reports."""
    problems = [worker.db.problem for worker in workers if worker.db.problem]
    return {"problem": problems[0]} if problems else {}


def ctl_signer_not_after(status: ServiceStatus) -> float | None:
    """Expiry of the signer of the CTL file that was put in use last, seconds since 1970; None without one."""
    workers = [slot.worker.ctl for slot in status.slots if slot.worker is not None]
    return max(workers, key=lambda ctl: ctl.last_success or 0.0).signer_not_after if workers else None


def expired(status: ServiceStatus, now: float) -> list[Expired]:
    """The certificates in use that have expired. `now`: seconds since 1970."""
    ends = [Expired(TVS, name, end) for name, end in status.presented.items()]
    signer = ctl_signer_not_after(status)
    if signer is not None:
        ends.append(Expired(SIGNER, CTL_FILE, signer))
    return [end for end in ends if end.not_after <= now]


def out_of_sync(status: ServiceStatus) -> int:
    """Number of running workers that do not answer from the newest sources.

    Newest are the highest change number of the store, and the CTL file that was put in use last.
    """
    running = [slot.worker for slot in status.slots if slot.state is SlotState.RUNNING and slot.worker is not None]
    if not running:
        return 0
    newest = max((worker.db for worker in running), key=lambda db: db.change_number)
    content = max(running, key=lambda worker: worker.ctl.last_success or 0.0).ctl.content
    return sum(
        (worker.db.change_number, worker.db.content) != (newest.change_number, newest.content)
        or worker.ctl.content != content
        for worker in running
    )

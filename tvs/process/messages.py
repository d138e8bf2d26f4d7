"""Messages between the supervisor and its workers: reports to the supervisor, orders to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tvs.status.members import StatusError, member, word
from tvs.status.model import WorkerStatus

if TYPE_CHECKING:
    from tvs.config.settings import Config
    from tvs.log.tracing import ActiveTrace
    from tvs.server.credentials import Credentials

MAX_PROBLEM: Final = 1000
"""Characters of a problem that a report carries: a message must fit into the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A worker's message to the supervisor. The first one says that the worker accepts phones.

    Attributes:
        status: the worker's status.
        reloaded: whether it answers a reload order.
        problem: why the order could not be carried out; empty if it was.
        trace_file: number of the trace order that the worker saw in the state directory; empty for no file, None before
            its first look.
    """

    status: WorkerStatus
    reloaded: bool = False
    problem: str = ""
    trace_file: str | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "status": self.status.to_json(),
            "reloaded": self.reloaded,
            "problem": self.problem[:MAX_PROBLEM],
            "trace_file": self.trace_file,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError` for anything else."""
        if not isinstance(document, dict):
            raise StatusError("the message is not an object")
        reloaded, problem = document.get("reloaded"), document.get("problem")
        if not isinstance(reloaded, bool) or not isinstance(problem, str):
            raise StatusError("the message is not a report")
        status = WorkerStatus.from_json(document.get("status"))
        seen = member(document, "trace_file", str, type(None))
        seen = None if seen is None else word(seen)
        return cls(status=status, reloaded=reloaded, problem=problem[:MAX_PROBLEM], trace_file=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadOrder:
    """The supervisor's order to go on with other settings and credentials."""

    config: Config
    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceChange:
    """The supervisor's order to trace as was ordered; None: as the settings say."""

    active: ActiveTrace | None

"""The cluster as this node sees it, published on a board for the monitoring port."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError
from tvs.cluster.nodestates import Liveness
from tvs.status.cluster import ClusterStatus, NodeState
from tvs.status.members import StatusError, shortened

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.cluster.serving import Serving
    from tvs.process.unloaded import Unloaded
    from tvs.status.cluster import NodeStatus
    from tvs.system.board import Board

READ: Final = 1.0
"""Seconds between two looks at the reports of all nodes, and between two publications without news."""


class ClusterView:
    """Reads the reports of all nodes, and publishes what they say. All moments are monotonic seconds.

    Args:
        board: memory that the admin process reads; a follower before this one may have written to it.

    Attributes:
        before: what the follower before published last: it counts until the database can be read.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._liveness = Liveness()
        self._next = 0.0
        self._published = ClusterStatus()
        try:
            self.before = ClusterStatus.from_json(board.read())
        except (StatusError, ValueError):
            self.before = ClusterStatus()
        self._nodes: tuple[NodeStatus, ...] = self.before.nodes

    def publish(
        self,
        serving: Serving,
        node: str,
        problem: str,
        store: CertificateStore | None,
        now: float,
        unloaded: Unloaded,
    ) -> None:
        """Publishes what is due.

        Args:
            serving: what this node serves.
            node: its name; empty if it is not known: then it is that of before.
            problem: what is wrong here.
            store: the database; None while it is out of reach: then it cannot be said of others how they are.
            now: the time.
            unloaded: what the service has not loaded.
        """
        current = self.before.current if serving.current is None else serving.current.position.generation
        due = now >= self._next
        if due:
            self._nodes = self._read(store, current, now)
            self._next = now + READ
        status = ClusterStatus(
            node=shortened(node) or self.before.node,
            generation=serving.generation,
            current=current,
            problem=shortened(problem),
            certificate=unloaded.certificate,
            profile=unloaded.profile,
            nodes=self._nodes,
        )
        if due or status != self._published:
            self._published = status
            self._board.write(replace(status, time=now, known_at=serving.known_at).to_json())

    def _read(self, store: CertificateStore | None, current: int | None, now: float) -> tuple[NodeStatus, ...]:
        if store is not None and current is not None:
            try:
                self._liveness.read(store.reports(), now)
                return self._liveness.statuses(store.nodes(), current, now)
            except StoreError:  # the next look at the database says why
                pass
        present = [node for node in self._nodes if node.state is not NodeState.ABSENT]
        return tuple(replace(node, state=NodeState.UNKNOWN) if node in present else node for node in self._nodes)

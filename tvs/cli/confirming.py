"""The confirmation of a change by the nodes of the cluster, as commands show it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from proto.text import printable
from tvs.cli.common import NOT_CONFIRMED, OK, progress, say, state_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tvs.cluster.change import Change
    from tvs.manage.confirmation import Confirmation, NodeConfirmation, Reading


_LOST = "its service was killed, hangs or lost its database; it takes the change when it is back"
_ELSEWHERE = "its service uses another database than this command; if store was changed since its start, restart it"
_ABSENT = "none runs there, or one that was started without the database answers as before until it has it"


def no_wait_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--no-wait`."""
    parser.add_argument(
        "--no-wait", action="store_true", help="do not wait until every node with a running service uses the change"
    )


def wait(arguments: argparse.Namespace, change: Change, before: Reading) -> Confirmation | None:
    """Waits until the nodes serve a change; None with `--no-wait`."""
    if arguments.no_wait:
        return None
    from tvs.manage.confirmation import NodeStep, wait_for_nodes

    sys.stdout.flush()
    state = state_of(arguments)
    confirmation = wait_for_nodes(state, change, before, lambda names: progress(f"waiting for {', '.join(names)}"))
    if not confirmation.at(NodeStep.LOST):
        return confirmation
    from tvs.manage.elsewhere import find_elsewhere

    return find_elsewhere(state, confirmation)


def say_confirmation(confirmation: Confirmation | None) -> None:
    """Prints which nodes serve a change; nothing if no service runs anywhere."""
    for line in _lines(confirmation) if confirmation else ():
        say(line)


def end(confirmation: Confirmation | None) -> int:
    """The exit status; the reason of a wait that ended early goes to standard error. Raises `KeyboardInterrupt`."""
    if confirmation is None or confirmation.complete:
        return OK
    made = f"the change is made, as generation {confirmation.generation}"
    if confirmation.interrupted:
        sys.stderr.write(f"tvs: {made}; which nodes use it was not waited for: tvs show nodes\n")
        raise KeyboardInterrupt
    if confirmation.problem:
        reason = printable(confirmation.problem)
        sys.stderr.write(f"tvs: {made}, but which nodes use it cannot be read: {reason}; later: tvs show nodes\n")
    return NOT_CONFIRMED


def _lines(confirmation: Confirmation) -> Iterator[str]:
    from tvs.manage.confirmation import NodeStep

    if confirmation.running:
        confirmed, seconds = len(confirmation.at(NodeStep.CONFIRMED)), confirmation.seconds
        yield f"In use on {confirmed} of {confirmation.running} nodes after {seconds:.1f} s"
    for node in confirmation.at(NodeStep.BEHIND):
        yield f"Not confirmed: {node.node} ({_behind(node, confirmation.generation)})"
    for step, reason in ((NodeStep.LOST, _LOST), (NodeStep.ELSEWHERE, _ELSEWHERE)):
        for node in confirmation.at(step):
            yield f"Not reached: {node.node} ({reason})"
    absent = [node.node for node in confirmation.at(NodeStep.ABSENT)]
    if confirmation.running and absent:
        yield f"No service seen: {', '.join(absent)} ({_ABSENT})"


def _behind(node: NodeConfirmation, generation: int) -> str:
    if node.generation is None:
        return "its service runs and has not reported yet"
    problem = f": {node.problem}" if node.problem else ""
    return f"generation {node.generation} of {generation}{problem}"


def confirmation_json(confirmation: Confirmation | None) -> dict[str, object] | None:
    """The confirmation for machines; None with `--no-wait`."""
    if confirmation is None:
        return None
    nodes = [
        {
            "node": node.node,
            "step": node.step,
            "generation": node.generation,
            "seconds": _rounded(node.seconds),
            "problem": node.problem,
        }
        for node in confirmation.nodes
    ]
    return {
        "generation": confirmation.generation,
        "complete": confirmation.complete,
        "seconds": _rounded(confirmation.seconds),
        "nodes": nodes,
        "sentences": list(_lines(confirmation)) or ["No service seen on any node"],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

"""The cluster as a whole: its start, and how it is."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cluster import nodes, parts, processes
from deploy.cluster.database import Database, find_programs
from deploy.cluster.errors import ClusterError
from deploy.cluster.layout import choose_ports
from deploy.cluster.words import ROOT, command, short

if TYPE_CHECKING:
    from deploy.cluster.layout import Folder, Ports


# -- up --------------------------------------------------------------------------------------------------------------


def up(folder: Folder) -> int:
    """Starts everything that does not run, and waits until all nodes answer. Raises `ClusterError`."""
    find_programs()
    folder.make()
    with folder.lock():
        ports = folder.ports
        if ports is None:
            ports = _make(folder)
        started = _start(folder, ports)
    if not started:
        print(f"The cluster in {short(folder.path)} runs already.\n")
    status(folder)
    print(_next(folder, ports))
    return 0


def _make(folder: Folder) -> Ports:
    """Makes database and nodes, in place of what an interrupted command left."""
    if parts.stop_all(folder):
        _tell("What an interrupted command left behind is stopped")
    folder.clear()
    folder.logs.mkdir()
    ports = choose_ports()
    database = Database(folder, ports.postgres)
    _tell("PostgreSQL: a new database")
    database.make()
    database.start()
    publisher = ports.nodes[0]
    for node in ports.nodes:
        _tell(f"{node.name}: {'joins the cluster' if node != publisher else 'a new cluster'}")
        nodes.make(folder, node, database.url, joins=node != publisher)
        nodes.configure(folder, node)
    nodes.make_lists(folder, publisher)
    nodes.make_example(folder.example)
    folder.save(ports)
    return ports


def _start(folder: Folder, ports: Ports) -> bool:
    """Starts what does not run. Returns whether that was anything."""
    since = 0.0
    if started := Database(folder, ports.postgres).start():
        _tell("PostgreSQL: started")
        since = time.monotonic()
    for node in ports.nodes:
        if nodes.start(folder, node):
            _tell(f"{node.name}: started")
            started = True
    nodes.await_ready(folder, ports.nodes, since)
    if processes.leader(parts.phones(folder)) is None:
        folder.counts.unlink(missing_ok=True)
        processes.start([sys.executable, "-m", *parts.phones(folder)], folder.log(parts.PHONES), cwd=ROOT)
        _await_answers(folder, ports)
        started = True
    for name in nodes.refused(folder, ports.nodes):
        update = f"tvs utils itl update --yes --state {short(folder.state(ports.nodes[0].name))}"
        _tell(f"{name}: phones refuse its new TVS certificate, which is in no ITL file yet; sign one with: {update}")
    if started:
        _tell("All nodes are current")
    return started


def _await_answers(folder: Folder, ports: Ports) -> None:
    """Waits until each node has answered a phone that does not refuse it. Raises `ClusterError`."""
    _tell("phones: started")
    until = time.monotonic() + nodes.PATIENCE
    wanted = len(ports.nodes) - len(nodes.refused(folder, ports.nodes))
    while len(_counts(folder).get("answers", {})) < wanted:
        if processes.leader(parts.phones(folder)) is None or time.monotonic() > until:
            raise ClusterError(f"not every node answers the phones; {nodes.last_words(folder, parts.PHONES)}")
        time.sleep(0.1)


def _next(folder: Folder, ports: Ports) -> str:
    """What to try next: three commands to copy."""
    tvs = short(Path(sys.executable).with_name("tvs"))
    publisher, subscriber, last = ports.nodes
    victim = processes.leader(parts.serving(folder, last.name))
    state = {node.name: short(folder.state(node.name)) for node in ports.nodes}
    imported = f"set cert import trust Phone-trust {short(folder.example)} --role APP-SERVER --yes"
    return (
        f"Try:\n"
        f"  {tvs} {imported} --state {state[subscriber.name]}\n"
        f"      a change, made on {subscriber.name}; it says on how many nodes it is in use\n"
        f"  kill -9 {victim}\n"
        f"      {last.name} is dead: its phones ask the others. `{command(folder, 'up')}` starts it again\n"
        f"  {tvs} show nodes --state {state[publisher.name]}\n"
        f"      which node serves which generation\n"
        f"The end: {command(folder, 'down')}"
    )


# -- status ----------------------------------------------------------------------------------------------------------


def status(folder: Folder) -> int:
    """Prints the parts; the exit status is 0 if all of them run."""
    ports = folder.ports
    if ports is None:
        print(f"There is no cluster in {short(folder.path)}; start one with: {command(folder, 'up')}")
        return 1
    rows = [("node", "address", "TVS port", "status page", "state directory", "PID")]
    pids = [processes.leader(parts.serving(folder, node.name)) for node in ports.nodes]
    for node, pid in zip(ports.nodes, pids, strict=True):
        page = f"http://{node.address}:{node.admin}/"
        rows.append((node.name, node.address, str(node.port), page, short(folder.state(node.name)), _pid(pid)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    database, phones = processes.leader(parts.database(folder)), processes.leader(parts.phones(folder))
    print(f"\nPostgreSQL  127.0.0.1:{ports.postgres}, PID {_pid(database)}, data in {short(folder.postgres)}")
    print(f"Phones      PID {_pid(phones)}; {_seen(folder)}\n")
    return 0 if None not in {*pids, database, phones} else 1


def _pid(pid: int | None) -> str:
    return "does not run" if pid is None else str(pid)


def _seen(folder: Folder) -> str:
    """What the phones saw, in a sentence."""
    counts = _counts(folder)
    if not counts:
        return "they have not asked yet"
    answers = ", ".join(f"{number} from {server}" for server, number in sorted(counts["answers"].items()))
    last = f"; last: {counts['last']}" if counts["last"] else ""
    return (
        f"{counts['phones']} phones, answers: {answers}; {counts['refused']} refused, {counts['failed']} failed{last}"
    )


def _counts(folder: Folder) -> dict[str, dict[str, int]]:
    try:
        found: dict[str, dict[str, int]] = json.loads(folder.counts.read_text())
    except FileNotFoundError:
        return {}
    return found


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")

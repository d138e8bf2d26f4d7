"""Statements about nodes' reports. SQLite runs them in a file of its own, PostgreSQL in the database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from certstore.generations import MAX_REPORTS, NodeReport
from certstore.rules.names import storable

if TYPE_CHECKING:
    from certstore.relational.connection import Connection

_WRITE = """
    INSERT INTO nodereport (node, generation, staleness, counter, problem) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (node) DO UPDATE SET (node, generation, staleness, counter, problem, written) =
        (excluded.node, excluded.generation, excluded.staleness, excluded.counter, excluded.problem, excluded.written)
"""
_LIMIT = """
    DELETE FROM nodereport WHERE written <= (SELECT written FROM nodereport ORDER BY written DESC LIMIT 1 OFFSET ?)
"""
_READ = "SELECT node, generation, staleness, counter, problem, written FROM nodereport ORDER BY node LIMIT ?"


def write_report(connection: Connection, report: NodeReport) -> None:
    """Replaces a node's report; of more than `MAX_REPORTS` nodes, those that reported last stay."""
    row = (report.node, report.generation, report.staleness, report.counter, report.problem)
    connection.execute(_WRITE, row)
    connection.execute(_LIMIT, (MAX_REPORTS,))


def delete_report(connection: Connection, node: str) -> None:
    """Deletes a node's report, if there is one."""
    connection.execute("DELETE FROM nodereport WHERE node = ?", (storable(node),))


def read_reports(connection: Connection) -> list[NodeReport]:
    """The reports by node, without rows of other programs that cannot be used."""
    found = []
    rows = connection.execute(_READ, (MAX_REPORTS,)).fetchall()
    last = max((written for *_, written in rows), default=0)
    for node, generation, staleness, counter, problem, written in rows:
        with suppress(TypeError, ValueError, AttributeError):  # SQLite's columns hold values of any type
            found.append(
                NodeReport(
                    node=node,
                    generation=generation,
                    staleness=staleness,
                    counter=counter,
                    problem=problem,
                    later=last - written,
                )
            )
    return found

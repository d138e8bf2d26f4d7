"""The tables at the end of a soak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.output import number, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.soak.client import Totals
    from tests.soak.soak import Result
    from tests.soak.watch import Sample


def report(result: Result) -> str:
    """Everything that a soak has found, for people."""
    assert result.sent is not None
    parts = [_facts(result, result.sent), _kinds(result.sent), _outcomes(result), _samples(result)]
    problems = [f"PROBLEM: {problem}" for problem in result.problems] or ["All sums are right and nothing has grown."]
    return "\n\n".join([*parts, "\n".join(problems)])


def _facts(result: Result, sent: Totals) -> str:
    each = result.cpu / sent.connections * 1e6
    events = ", ".join(f"{name} {count:,}" for name, count in sorted(result.events.items()))
    lines = (
        f"seed {result.seed}: {sent.connections:,} connections in {result.seconds:,.0f} s",
        f"CPU time of the service: {each:,.0f} µs a connection",
        f"questions: {sent.asked:,} sent, {sent.answered:,} answered rightly, {result.lines:,} lines in the log",
        f"meanwhile: {events}",
    )
    return "\n".join(lines)


def _kinds(sent: Totals) -> str:
    rows = [
        (name, number(one.started), number(one.done), number(one.refused), number(one.failed))
        for name, one in sent.kinds.items()
    ]
    return table(("kind", "opened", "as planned", "refused", "failed"), rows)


def _outcomes(result: Result) -> str:
    closed = result.metrics["tvs_connections_closed_total"]
    rows = [(outcome, number(count)) for (outcome,), count in sorted(closed.items(), key=lambda pair: -pair[1])]
    accepted = result.metrics["tvs_connections_accepted_total"].total()
    rows += [("together", number(closed.total())), ("accepted", number(accepted))]
    return table(("outcome", "connections"), rows)


def _samples(result: Result) -> str:
    """Each process's anonymous memory in KiB, with its descriptors and threads, after each tenth."""
    samples = [*result.samples, *([result.survived] if result.survived else [])]
    names = list(samples[0].processes)
    head = ("connections", *names, "all", "PSS", "descriptors", "threads", "files")
    return "anonymous memory in KiB after each tenth, and after workers died\n" + table(head, [*_rows(samples, names)])


def _rows(samples: list[Sample], names: list[str]) -> Iterator[tuple[str, ...]]:
    for sample in samples:
        processes = [sample.processes[name] for name in names]
        yield (
            number(sample.connections),
            *(number(process.memory / 1024) for process in processes),
            number(sample.memory / 1024),
            number(sum(process.pss for process in processes) / 1024),
            " ".join(str(process.descriptors) for process in processes),
            " ".join(str(process.threads) for process in processes),
            " ".join(map(str, sample.files.values())),
        )

"""`tvs show queries` and `tvs show signers`: what phones asked a running service lately."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from proto.text import printable
from tvs.cli import values
from tvs.cli.common import OK, CommandError, say, say_json
from tvs.cli.show.service import EXIT_STATUSES, report_of, service_command, time_text
from tvs.cli.tables import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from tvs.cli.common import Commands

    Row = Mapping[str, Any]

_MOST = 200
_PAUSE = 1.0
"""Seconds between two looks of --follow."""
_COLUMNS = {"Time": 19, "Device": 24, "Address": 15, "TLS": 7, "Result": 9, "Source": 6, "Serial": 32}
"""Columns of --follow before the last one, with the widths that values mostly have."""
_ASKED = "Certificate"
_QUERIES = f"""\
The service keeps the last {_MOST} queries in memory, and the last {_MOST} that were not answered with 'trusted'.

examples:
  tvs show queries
  tvs show queries --refused --last 5
  tvs show queries --follow
  tvs show queries --follow --json | jq -r .device        a JSON object on each line

{EXIT_STATUSES}
"""
_SIGNERS = f"""\
A phone asks for the signer of a file, or for the certificate of a server, that it does not know. The service keeps the
last 256 certificates that were asked about in memory.

examples:
  tvs show signers
  tvs show signers --refused           only those for which a phone got another answer than 'trusted'

{EXIT_STATUSES}
"""


def add_show_commands(show: Commands) -> None:
    """Adds `show queries` and `show signers`."""
    queries = show.add_parser(
        "queries",
        help="what phones asked a running service lately",
        description="Shows the last queries of phones and their answers, the last one at the end.",
        epilog=_QUERIES,
    )
    queries.add_argument("--refused", action="store_true", help="only queries that were not answered with 'trusted'")
    queries.add_argument("--follow", action="store_true", help="go on with new ones until Ctrl-C")
    queries.add_argument(
        "--last",
        type=values.whole_number(0, _MOST),
        default=20,
        metavar="N",
        help="number of queries, 0 to 200 (default: %(default)s)",
    )
    service_command(queries, _show_queries)
    signers = show.add_parser(
        "signers",
        help="certificates that phones asked about",
        description="Shows the certificates that phones asked a running service about, the last one at the end.",
        epilog=_SIGNERS,
    )
    signers.add_argument("--refused", action="store_true", help="only those that a phone was refused")
    service_command(signers, _show_signers)


def _show_queries(arguments: argparse.Namespace) -> int:
    report = report_of(arguments)
    found = _queries(report, arguments)[-arguments.last :] if arguments.last else []
    if arguments.follow:
        return _follow(report, found, arguments)
    if arguments.json:
        say_json(found)
        return OK
    _say_missing(report)
    say(table((*_COLUMNS, _ASKED), map(_query_row, found)))
    return OK


def _queries(report: Row, arguments: argparse.Namespace) -> list[Row]:
    """The queries that are asked for, the last one at the end."""
    return list(reversed(report["refused" if arguments.refused else "queries"]))


def _follow(report: Row, found: Sequence[Row], arguments: argparse.Namespace) -> int:
    """Prints queries as they come, until it is interrupted. A service that is restarted is waited for."""
    import time

    if not arguments.json:
        _say_missing(report)
        say(_line((*_COLUMNS, _ASKED)))
    for query in found:
        _say_query(query, arguments)
    since, last = report["observer"]["since"], max((query["number"] for query in report["queries"]), default=0)
    answers = True
    while True:
        sys.stdout.flush()
        time.sleep(_PAUSE)
        try:
            report = report_of(arguments)
        except CommandError as error:
            if answers:
                sys.stderr.write(f"tvs: {printable(str(error))}; waiting\n")
            answers = False
            continue
        answers = True
        if report["observer"]["since"] != since:  # it counts from 1 again
            since, last = report["observer"]["since"], 0
        for query in _queries(report, arguments):
            if query["number"] > last:
                _say_query(query, arguments)
        last = max((query["number"] for query in report["queries"]), default=last)


def _say_query(query: Row, arguments: argparse.Namespace) -> None:
    if arguments.json:
        import json

        say(json.dumps(query))
    else:
        say(_line(_query_row(query)))


def _line(texts: Sequence[object]) -> str:
    *others, last = (printable(str(text)) for text in texts)
    return " ".join([*map(str.ljust, others, _COLUMNS.values()), last])


def _query_row(query: Row) -> tuple[object, ...]:
    return (
        time_text(query["time"]),
        query["device"],
        query["address"],
        query["tls"],
        query["result"],
        query["source"],
        query["serial"],
        query["subject"] or query["issuer"],
    )


def _show_signers(arguments: argparse.Namespace) -> int:
    report = report_of(arguments)
    found = [signer for signer in reversed(report["signers"]) if signer["refused"] or not arguments.refused]
    if arguments.json:
        say_json(found)
        return OK
    _say_missing(report)
    say(
        table(
            ("Last", "First", "Asked", "Refused", "Answer", "Device", "Address", "Serial", "Certificate"), _rows(found)
        )
    )
    return OK


def _rows(found: Sequence[Row]) -> Iterator[tuple[object, ...]]:
    for signer in found:
        yield (
            time_text(signer["last"]),
            time_text(signer["first"]),
            signer["count"],
            signer["refused"],
            signer["result"],
            signer["device"],
            signer["address"],
            signer["serial"],
            signer["subject"] or signer["issuer"],
        )


def _say_missing(report: Row) -> None:
    """Says why there may be less to see than phones asked."""
    observer = report["observer"]
    if not observer["running"]:
        sys.stderr.write(
            "tvs: queries are not kept now: observe = false in the settings, or the observer is restarted\n"
        )
    elif observer["dropped"]:
        sys.stderr.write(
            f"tvs: {observer['dropped']} queries or failures are not in this, there were too many at once\n"
        )

"""`tvs run sql`: a query of the certificate database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli.common import OK, say, say_json, state_command, store_of
from tvs.cli.tables import table

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

_EPILOG = """\
Only SELECT statements can be run; they change nothing. The tables: certificate, certificatehashmap,
certificatetrustrolemap, certificateservicecertificatemap, typecertificateservice, typetrustrole,
typecertificatedistribution, processnode, processconfig; see docs/database.md. Of a binary column the table shows the
first bytes; hex(COLUMN) or --json shows all, in hex. A statement is stopped after 10 s, 100,000 rows or 16 MB.

examples:
  tvs run sql "select paramname,paramvalue from processconfig
      where paramname='ClusterSecurityMode'"
  tvs run sql 'select name, address from processnode'
  tvs run sql 'select serialnumber, hex(der) from certificate'

exit statuses: 0 done, 1 the statement cannot be run, 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `run sql`."""
    run = commands.add_parser("run", help="query the database").add_subparsers(
        title="what to run", metavar="WHAT", required=True
    )
    sql = run.add_parser("sql", help="a SELECT statement", description="Runs a SELECT statement.", epilog=_EPILOG)
    sql.add_argument("statement", nargs="+", metavar="STATEMENT", help="the statement, in quotes")
    state_command(sql, _run)


def _run(arguments: argparse.Namespace) -> int:
    with store_of(arguments) as store:
        columns, rows = store.select(" ".join(arguments.statement))
    if arguments.json:
        say_json([dict(zip(columns, map(_json_value, row), strict=True)) for row in rows])
    else:
        say(table(columns, rows))
    return OK


def _json_value(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value

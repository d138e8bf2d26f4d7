"""`tvs show ctl` and `tvs show itl`."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tvs.cli.common import FAILED, OK, CommandError, say, say_json, state_command, state_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands

    Kind = Literal["CTL", "ITL"]


def add_show_commands(show: Commands) -> None:
    """Adds `show ctl` and `show itl`."""
    kinds: tuple[Kind, ...] = ("CTL", "ITL")
    for kind in kinds:
        parser = show.add_parser(
            kind.lower(),
            help=f"the {kind} file: checksums, header, records, signature",
            description=f"Shows a {kind} file and verifies its signature.",
            epilog=f"examples:\n  tvs show {kind.lower()} {kind}File.tlv --json\n"
            f"  tvs show {kind.lower()} <(curl -s http://10.0.0.1:6970/{kind}File.tlv)\n\n"
            f"exit statuses: 0 verified, 1 no {kind} file, damaged or not verified.",
        )
        parser.add_argument(
            "file",
            nargs="?",
            type=Path,
            metavar="FILE",
            help=f"a file, or a pipe, which is waited for until Ctrl-C (default: tftp/{kind}File.tlv in the state "
            "directory)",
        )
        state_command(parser, functools.partial(_show, kind))


def _show(kind: Kind, arguments: argparse.Namespace) -> int:
    from ctlcache.report import report
    from ctlcache.reportjson import report_json

    state = state_of(arguments)
    if arguments.file is None:
        state.require()
    path = arguments.file or (state.ctl_file if kind == "CTL" else state.itl_file)
    with nullcontext() if arguments.file else state.rights():
        data, modified = _read(path, waits=arguments.file is not None)
    if arguments.json:
        facts = report_json(data, kind=kind, modified=modified)
        say_json(facts)
        return OK if facts["ok"] else FAILED
    shown = report(data, kind=kind, modified=modified)
    say(shown.text)
    return OK if shown.ok else FAILED


def _read(path: Path, *, waits: bool) -> tuple[bytes | None, float | None]:
    """The file's bytes, at most one more than the limit, and its time; None without a file.

    Args:
        path: the file.
        waits: whether it may be a pipe, as in `tvs show ctl <(program)`, and the program is waited for.
    """
    from ctlcache.files import read_snapshot
    from ctlcache.trustlist import MAX_SIZE

    try:
        if not waits:
            return read_snapshot(path).data, path.stat().st_mtime
        with path.open("rb") as file:
            return file.read(MAX_SIZE + 1), path.stat().st_mtime
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror or error}") from None

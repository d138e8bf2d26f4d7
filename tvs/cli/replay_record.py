"""`tvs replay record`: records the queries of a running service."""

from __future__ import annotations

import math
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.common import FAILED, OK, USAGE, CommandError, handled_by, progress, say, state_option
from tvs.cli.replay_options import count, time_above_zero
from tvs.config.places import default_state
from tvs.errors import StateError

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.replay.questions.expect import KnownCertificates

_EPILOG = """\
Follows the log of a running service until Ctrl-C and records each query with its answer. Phones get numbers in
place of their MAC addresses, and no address is kept, unless --names is given. Names and serial numbers of certificates
are part of the queries and stay. The log needs its request lines (level info), or the trace lines of level debug.

examples:
  tvs replay record --log /var/log/tvs.log --out monday.tvsr
  journalctl -fu tvs -o cat | tvs replay record --log - --out monday.tvsr
  tvs replay record --log old.log --from-start --no-follow --out old.tvsr

exit statuses: 0 done, 1 nothing was recorded, 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `record`."""
    parser = commands.add_parser(
        "record",
        help="record the queries of a running service",
        description="Records the queries of a running service.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--log", type=values.file_name, required=True, metavar="FILE", help="the service's log; - is standard input"
    )
    parser.add_argument(
        "--out", required=True, type=values.output_file, metavar="FILE", help="the recording, a new file"
    )
    parser.add_argument("--from-start", action="store_true", help="also read what the log already holds")
    parser.add_argument("--no-follow", action="store_true", help="end at the end of the log")
    parser.add_argument("--names", action="store_true", help="keep the phones' names and addresses")
    parser.add_argument("--duration", type=time_above_zero, metavar="TIME", help="end after this time")
    parser.add_argument("--queries", type=count, metavar="N", help="end after N queries")
    state_option(parser)
    handled_by(parser, _record)


def _record(arguments: argparse.Namespace) -> int:
    from tvs.replay.questions.follow import LogFollower
    from tvs.replay.questions.model import SourceError
    from tvs.replay.questions.recorder import Recorder, record
    from tvs.replay.questions.recording import RecordingWriter

    path = None if arguments.log == "-" else Path(arguments.log)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        try:
            known = _known(arguments.state)
            follower = LogFollower(path, from_start=arguments.from_start, follow=not arguments.no_follow)
            stack.callback(follower.close)
            recorder = Recorder(RecordingWriter(arguments.out, names=arguments.names), known, names=arguments.names)
            stack.callback(recorder.writer.close)
        except SourceError as error:
            raise CommandError(str(error), USAGE) from None
        until = math.inf if arguments.duration is None else time.monotonic() + arguments.duration
        enough = arguments.queries or math.inf
        progress(f"recording {arguments.log}; Ctrl-C ends")
        with suppress(KeyboardInterrupt):
            record(follower, recorder, lambda queries: queries < enough and time.monotonic() < until)
    say(f"{arguments.out}: {recorder.queries} queries of {recorder.phones} phones")
    for reason, number in recorder.left_out.items():
        say(f"  left out, {number}: {reason}")
    return OK if recorder.queries else FAILED


def _known(state: Path | None) -> KnownCertificates:
    """The certificates of a state directory; the default one may be missing."""
    from certstore.errors import StoreError
    from tvs.replay.questions.expect import KnownCertificates
    from tvs.replay.questions.recorder import known_to
    from tvs.state import StateDirectory

    try:
        return known_to(StateDirectory(state or default_state()))
    except (StateError, StoreError):
        if state is not None:
            raise
        return KnownCertificates()

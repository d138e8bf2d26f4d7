"""`tvs replay`: the load tester."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.store import StoreError
from tvs.cli.common import (
    FAILED,
    INTERRUPTED,
    NO_ANSWER,
    OK,
    USAGE,
    CommandError,
    handled_by,
    json_option,
    progress,
    say,
    say_json,
    state_option,
)
from tvs.cli.replay_options import (
    count,
    mode_options,
    parsed,
    phone_options,
    report_options,
    server_options,
    source_options,
)
from tvs.client.trust import NoAnswer
from tvs.config.endpoint import DEFAULT_PORT, Endpoint
from tvs.config.loading import default_state
from tvs.errors import StateError
from tvs.log.target import is_terminal
from tvs.replay.questions.devices import parse_mix
from tvs.replay.questions.expect import KnownCertificates
from tvs.replay.questions.follow import LogFollower, Recorder, record
from tvs.replay.questions.model import SourceError
from tvs.replay.questions.recording import RecordingWriter
from tvs.replay.report import compare
from tvs.replay.report.page import html_page
from tvs.replay.report.picture import png, require_matplotlib
from tvs.replay.report.result import result_of
from tvs.replay.report.resultfile import read_result, to_json
from tvs.replay.report.text import csv_text, table, verdict
from tvs.replay.report.thresholds import Threshold
from tvs.replay.run.histograms import MissingPackage, require_hdrhistogram
from tvs.replay.run.live import LiveView
from tvs.replay.run.prepare import DEFAULT_PHONES, ModeSettings, SourceSettings, first_look, known_to, load, schedule
from tvs.replay.run.process import GeneratorError, Run
from tvs.replay.run.setup import Setup, default_sources, parse_sources, resolve
from tvs.replay.units import parse_duration
from tvs.state import StateDirectory
from tvs.system.files import write_atomically
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tvs.cli.common import Commands
    from tvs.replay.questions.model import Recording
    from tvs.replay.report.result import RunResult
    from tvs.replay.run.schedule import Schedule

THRESHOLD = 99
"""Exit status of a run that a --fail-if expression fails."""

_EPILOG = """\
Queries come from a file: a recording, a log of the service in trace form or JSON (of the original too), a capture
with its key log, or a CSV table of devices; without one, from an imagined fleet that asks about --ask FILE.

examples:
  how many phones after a site-wide reset?
    tvs replay --server 192.0.2.10 --trust ITLFile.tlv --ask CTLFile.tlv --mix 7900:20,8800:80 \\
        --storm 40000 --within 5m --html storm.html
  a steady load that must stay fast:
    tvs replay --server 192.0.2.10 --trust ITLFile.tlv --ask CTLFile.tlv --rate 500/s --ramp 60s --duration 5m \\
        --fail-if 'p99>250ms' --fail-if 'errors>0.1%'
  the queries of a log, ten times as fast:
    tvs replay --server 192.0.2.10 --trust ITLFile.tlv --from tvs.log --expect CTLFile.tlv --speed 10
  a capture, decrypted with the key log of tvs serve --tls-keylog:
    tvs replay --server 192.0.2.10 --trust ITLFile.tlv --from storm.pcapng --keylog keys.log
  write down what a running service is asked, and compare two runs:
    tvs replay record --log /var/log/tvs.log --out monday.tvsr
    tvs replay compare before.json after.json

exit statuses:
    0  every answer as expected
    1  wrong or missing answers, or a run that is not valid because the generator itself lagged
    2  wrong usage
    3  cannot connect
   99  a --fail-if expression came true
  130  interrupted, results written
With a --fail-if about errors, that expression alone decides how many are too many.
"""
_RECORD_EPILOG = """\
Follows the log of a running service until Ctrl-C and writes each query down, with its answer. Phones get numbers in
place of their MAC addresses, and no address is kept, unless --names is given. Names and serial numbers of certificates
are part of the queries and stay. The log needs its request lines (level info), or the trace lines of level debug.

examples:
  tvs replay record --log /var/log/tvs.log --out monday.tvsr
  journalctl -fu tvs -o cat | tvs replay record --log - --out monday.tvsr
  tvs replay record --log old.log --from-start --no-follow --out old.tvsr

exit statuses: 0 done, 1 nothing was recorded, 2 wrong usage.
"""


def add_commands(commands: Commands) -> None:
    """Adds `replay`, `replay record` and `replay compare`."""
    parser = commands.add_parser(
        "replay",
        help="load-test a service with phones' queries",
        description="Asks a service what many phones ask, and checks every answer.",
        epilog=_EPILOG,
    )
    server_options(parser)
    source_options(parser)
    mode_options(parser)
    phone_options(parser)
    report_options(parser)
    handled_by(parser, _replay)
    others = parser.add_subparsers(title="further commands", metavar="COMMAND")
    _add_record(others)
    _add_compare(others)


# -- a run -----------------------------------------------------------------------------------------------------------


def _replay(arguments: argparse.Namespace) -> int:
    try:
        require_hdrhistogram()
        thresholds = _thresholds(arguments)
        _check_outputs(arguments)
        setup = _setup(arguments)
        recording = load(_source(arguments))
        plan = schedule(recording, _mode(arguments))
        first_look(setup)
    except (ValueError, SourceError, MissingPackage) as error:
        raise CommandError(str(error), USAGE) from None
    except NoAnswer as error:
        raise CommandError(str(error), NO_ANSWER) from None
    try:
        result = _run(arguments, recording, plan, setup)
    except GeneratorError as error:
        raise CommandError(str(error)) from None
    result.failed_thresholds = [entry.sentence(result) for entry in thresholds if entry.failed(result)]
    _report(arguments, result)
    return _status(result, thresholds)


def _thresholds(arguments: argparse.Namespace) -> list[Threshold]:
    return [Threshold.parse(text) for text in arguments.fail_if]


def _check_outputs(arguments: argparse.Namespace) -> None:
    """A run of an hour must not end with 'no such directory'."""
    for path in (arguments.json, arguments.csv, arguments.html, arguments.png):
        if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise ValueError(f"{path}: the directory {path.parent} is not there, or not writable")
    if arguments.png is not None:
        require_matplotlib()


def _setup(arguments: argparse.Namespace) -> Setup:
    if arguments.server is None:
        raise ValueError("say whom to ask: --server HOST[:PORT]")
    if arguments.trust is None and not arguments.insecure:
        raise ValueError("say whom to believe: --trust FILE (the cluster's ITL), or --insecure")
    if (arguments.certificate is None) is not (arguments.key is None):
        raise ValueError("--certificate and --key go together")
    server = Endpoint.parse(arguments.server, DEFAULT_PORT)
    try:
        family, address = resolve(server)
    except OSError as error:
        raise CommandError(f"{server}: the name cannot be resolved: {error.strerror}", NO_ANSWER) from None
    setup = Setup(
        server=server,
        family=family,
        address=address,
        trust=arguments.trust,
        profile=None if arguments.tls_profile == "phone" else TLSProfile(arguments.tls_profile),
        certificate=arguments.certificate,
        key=arguments.key,
        resume=arguments.resume,
        sources=parse_sources(arguments.sources, family) if arguments.sources else default_sources(family, address[0]),
        timeout=arguments.timeout,
        late_after=arguments.late_after,
    )
    setup.server_trust()
    setup.identity()
    return setup


def _source(arguments: argparse.Namespace) -> SourceSettings:
    fleet = [name for name in ("phones", "mix", "ask") if getattr(arguments, name)]
    if arguments.source is not None and fleet:
        raise ValueError(f"--from has its own phones; --{fleet[0]} is for an imagined fleet")
    if arguments.source is None and not arguments.ask:
        raise ValueError("say what to ask: --from FILE, or --ask FILE for an imagined fleet")
    return SourceSettings(
        file=arguments.source,
        keylog=arguments.keylog,
        capture_port=arguments.capture_port,
        phones=arguments.phones or arguments.storm or arguments.loop or DEFAULT_PHONES,
        mix=parse_mix(arguments.mix) if arguments.mix else None,
        ask=arguments.ask,
        expect=arguments.expect,
    )


def _mode(arguments: argparse.Namespace) -> ModeSettings:
    names = ("speed", "rate", "ramp", "duration", "storm", "within", "pause", "seed", "loop", "at_once")
    return ModeSettings(**{name: getattr(arguments, name) for name in names})


def _run(arguments: argparse.Namespace, recording: Recording, plan: Schedule, setup: Setup) -> RunResult:
    processes = min(arguments.processes or max(1, len(os.sched_getaffinity(0)) // 2), max(1, len(plan.at)))
    progress(f"{len(plan.at)} calls, {plan.mode}, {processes} generator processes")
    live = None if arguments.quiet or not sys.stderr.isatty() else LiveView(plan, colors=is_terminal(sys.stderr))
    outcome = Run(plan, setup, processes).execute(live.show if live is not None else lambda _timeline, _seconds: None)
    if live is not None:
        live.close()
    outcome.timeline.plan(plan)
    tls = f"{arguments.tls_profile} profile" if setup.profile else "each phone as its series does"
    result = result_of(outcome, plan, setup, processes=processes, source=recording.source, tls=tls)
    result.left_out = dict(recording.left_out)
    return result


def _report(arguments: argparse.Namespace, result: RunResult) -> None:
    say(table(result))
    say()
    for sentence in verdict(result):
        say(sentence)
    makers: dict[Path | None, Callable[[], bytes]] = {
        arguments.json: lambda: to_json(result).encode(),
        arguments.csv: lambda: csv_text(result).encode(),
        arguments.html: lambda: html_page(result).encode(),
        arguments.png: lambda: png(result, dark=arguments.dark),
    }
    problems = [problem for path, make in makers.items() if path is not None and (problem := _write(path, make))]
    if problems:
        raise CommandError("\n".join(problems))


def _write(path: Path, make: Callable[[], bytes]) -> str | None:
    try:
        write_atomically(path, make())
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}"
    say(f"written: {path}")
    return None


def _status(result: RunResult, thresholds: list[Threshold]) -> int:
    if result.interrupted:
        return INTERRUPTED
    if result.failed_thresholds:
        return THRESHOLD
    tolerated = any(threshold.about_errors for threshold in thresholds)
    return FAILED if result.doubts or (result.failed and not tolerated) else OK


# -- record ----------------------------------------------------------------------------------------------------------


def _add_record(commands: Commands) -> None:
    parser = commands.add_parser(
        "record",
        help="write down what a running service is asked",
        description="Records the queries of a running service.",
        epilog=_RECORD_EPILOG,
    )
    parser.add_argument("--log", required=True, metavar="FILE", help="the service's log; - is standard input")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the recording, a new file")
    parser.add_argument("--from-start", action="store_true", help="also what is in the log already")
    parser.add_argument("--no-follow", action="store_true", help="end at the end of the log")
    parser.add_argument("--names", action="store_true", help="keep the phones' names and addresses")
    parser.add_argument("--duration", type=parsed(parse_duration), metavar="TIME", help="end after this time")
    parser.add_argument("--queries", type=count, metavar="N", help="end after so many queries")
    state_option(parser)
    handled_by(parser, _record)


def _record(arguments: argparse.Namespace) -> int:
    path = None if arguments.log == "-" else Path(arguments.log)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        known = _known(arguments.state)
        follower = LogFollower(path, from_start=arguments.from_start, follow=not arguments.no_follow)
        recorder = Recorder(RecordingWriter(arguments.out, names=arguments.names), known, names=arguments.names)
    except SourceError as error:
        raise CommandError(str(error), USAGE) from None
    until = math.inf if arguments.duration is None else time.monotonic() + arguments.duration
    enough = arguments.queries or math.inf
    progress(f"recording {arguments.log}; Ctrl-C ends")
    try:
        record(follower, recorder, lambda queries: queries < enough and time.monotonic() < until)
    except KeyboardInterrupt:
        pass
    finally:
        recorder.writer.close()
        follower.close()
    say(f"{arguments.out}: {recorder.queries} queries of {recorder.phones} phones")
    for reason, number in recorder.left_out.items():
        say(f"  left out, {number}: {reason}")
    return OK if recorder.queries else FAILED


def _known(state: Path | None) -> KnownCertificates:
    """What the service's own state says about certificates; a state that was not named need not be there."""
    try:
        return known_to(StateDirectory(state or default_state()))
    except (StateError, StoreError):
        if state is not None:
            raise
        return KnownCertificates()


# -- compare ---------------------------------------------------------------------------------------------------------


def _add_compare(commands: Commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="put two results side by side",
        description="Compares two files that --json has written: what the second has more or less than the first.",
        epilog="exit statuses: 0 compared, 2 a file cannot be read.\n",
    )
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    json_option(parser)
    handled_by(parser, _compare)


def _compare(arguments: argparse.Namespace) -> int:
    try:
        require_hdrhistogram()
        before, after = read_result(arguments.before), read_result(arguments.after)
    except (ValueError, MissingPackage) as error:
        raise CommandError(str(error), USAGE) from None
    if arguments.json:
        entries = compare.differences(before, after)
        rows = [{"name": e.name, "before": e.before, "after": e.after, "change": e.change} for e in entries]
        say_json({"differences": rows, "notes": compare.doubts(before, after)})
    else:
        say(compare.table(before, after, (arguments.before.name, arguments.after.name)))
    return OK

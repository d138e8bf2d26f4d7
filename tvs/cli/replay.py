"""`tvs replay`: the load tester."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tvs.cli import replay_compare, replay_record
from tvs.cli.common import FAILED, INTERRUPTED, NO_ANSWER, OK, USAGE, CommandError, handled_by, progress, say
from tvs.cli.replay_options import (
    mode_options,
    phone_options,
    report_options,
    server_options,
    source_options,
)
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.replay.questions.model import Recording
    from tvs.replay.report.outputs import Outputs
    from tvs.replay.report.result import RunResult
    from tvs.replay.run.prepare import ModeSettings, SourceSettings
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup

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
  record the queries of a running service, and compare two runs:
    tvs replay record --log /var/log/tvs.log --out monday.tvsr
    tvs replay compare before.json after.json

exit statuses:
    0  every answer as expected
    1  wrong or missing answers, or a run that is not valid: the generator itself lagged
    2  wrong usage
    3  cannot connect
   99  a --fail-if expression is true
  130  interrupted, results written
With a --fail-if about errors, that expression alone decides how many are too many.
"""


def add_commands(commands: Commands) -> None:
    """Adds `replay`, `replay record` and `replay compare`."""
    parser = commands.add_parser(
        "replay",
        help="load-test a service with phones' queries",
        description="Sends a service the queries of many phones, and checks every answer.",
        epilog=_EPILOG,
    )
    server_options(parser)
    source_options(parser)
    mode_options(parser)
    phone_options(parser)
    report_options(parser)
    handled_by(parser, _replay)
    others = parser.add_subparsers(title="further commands", metavar="COMMAND")
    replay_record.add_commands(others)
    replay_compare.add_commands(others)


def _replay(arguments: argparse.Namespace) -> int:
    from tvs.client.trust import NoAnswer
    from tvs.replay.questions.model import SourceError
    from tvs.replay.report.outputs import Outputs
    from tvs.replay.report.thresholds import RunStatus, Threshold, status_of
    from tvs.replay.run.histograms import MissingPackage, require_hdrhistogram
    from tvs.replay.run.prepare import load, make_schedule, try_connection
    from tvs.replay.run.process import GeneratorError

    try:
        require_hdrhistogram()
        thresholds = [Threshold.parse(text) for text in arguments.fail_if]
        outputs = Outputs(json=arguments.json, csv=arguments.csv, html=arguments.html)
        outputs.check()
        setup = _setup(arguments)
        recording = load(_source(arguments))
        schedule = make_schedule(recording, _mode(arguments))
        try_connection(setup)
    except (ValueError, SourceError, MissingPackage) as error:
        raise CommandError(str(error), USAGE) from None
    except NoAnswer as error:
        raise CommandError(str(error), NO_ANSWER) from None
    try:
        result = _run(arguments, recording, schedule, setup)
    except GeneratorError as error:
        raise CommandError(str(error)) from None
    result.thresholds = [entry.facts(result) for entry in thresholds]
    result.failed_thresholds = [entry.sentence(result) for entry in thresholds if entry.failed(result)]
    _report(result, outputs)
    statuses = {
        RunStatus.PASSED: OK,
        RunStatus.FAILED: FAILED,
        RunStatus.THRESHOLD: THRESHOLD,
        RunStatus.INTERRUPTED: INTERRUPTED,
    }
    return statuses[status_of(result, thresholds)]


# -- settings from options -------------------------------------------------------------------------------------------


def _setup(arguments: argparse.Namespace) -> Setup:
    from tvs.replay.run.addresses import default_sources, parse_sources, resolve
    from tvs.replay.run.setup import Setup

    if arguments.server is None:
        raise ValueError("name the service: --server HOST[:PORT]")
    if arguments.trust is None and not arguments.insecure:
        raise ValueError("choose the trust in the server: --trust FILE (the cluster's ITL), or --insecure")
    server = arguments.server
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
    setup.check()
    return setup


def _source(arguments: argparse.Namespace) -> SourceSettings:
    from tvs.replay.questions.devices import parse_mix
    from tvs.replay.run.prepare import DEFAULT_PHONES, SourceSettings

    fleet = [name for name in ("phones", "mix", "ask") if getattr(arguments, name)]
    if arguments.source is not None and fleet:
        raise ValueError(f"--from has its own phones; --{fleet[0]} is for an imagined fleet")
    if arguments.source is None and not arguments.ask:
        raise ValueError("choose the queries: --from FILE, or --ask FILE for an imagined fleet")
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
    from tvs.replay.run.prepare import ModeSettings

    names = ("speed", "rate", "ramp", "duration", "storm", "within", "pause", "seed", "loop", "at_once")
    return ModeSettings(**{name: getattr(arguments, name) for name in names})


# -- run and report --------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace, recording: Recording, schedule: Schedule, setup: Setup) -> RunResult:
    from tvs.log.target import is_terminal
    from tvs.replay.report.result import result_of
    from tvs.replay.run.live import LiveView
    from tvs.replay.run.process import Run

    processes = min(arguments.processes or max(1, len(os.sched_getaffinity(0)) // 2), max(1, len(schedule.at)))
    progress(f"{len(schedule.at)} calls, {schedule.mode}, {processes} generator processes")
    live = None if arguments.quiet or not sys.stderr.isatty() else LiveView(schedule, colors=is_terminal(sys.stderr))
    counts = Run(schedule, setup, processes).execute(
        live.show if live is not None else lambda _timeline, _seconds: None
    )
    if live is not None:
        live.close()
    tls = f"{arguments.tls_profile} profile" if setup.profile else "each phone as its series does"
    return result_of(counts, schedule, setup, recording, processes=processes, tls=tls)


def _report(result: RunResult, outputs: Outputs) -> None:
    from tvs.replay.report.text import table, verdict

    say(table(result))
    say()
    for sentence in verdict(result):
        say(sentence)
    problems = []
    for path, problem in outputs.write(result):
        if problem is None:
            say(f"written: {path}")
        else:
            problems.append(problem)
    if problems:
        raise CommandError("\n".join(problems))

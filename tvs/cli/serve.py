"""`tvs serve`: starts the service, or checks its settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.cli.common import OK, handled_by, harmless, say
from tvs.config.places import default_state
from tvs.config.settings import SERVICE_SETTINGS, SETTINGS, setting_help

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands
    from tvs.config.endpoint import Endpoint
    from tvs.config.settings import Config

_EPILOG = """\
Settings also come from a TOML file (--config FILE, else tvs.toml in the state directory: keys are the options'
names with _ for -) and from TVS_… variables (TVS_LOG_LEVEL=debug). Options win over variables, variables over
the file. The certificate database (store) is named in tvs.toml in the state directory, or in TVS_STORE, and nowhere
else: commands read it there.

examples:
  tvs serve --state /var/lib/tvs
  tvs serve --state DIR --tls-profile legacy         7900-series phones too
  tvs serve --state DIR --workers 1                  one worker process, not one for each processor
  tvs serve --state DIR --log-level debug            with the trace lines of the original
  tvs serve --state DIR --listen 127.0.0.1:0         any free port, printed
  tvs serve --state DIR --check-config               report all problems, do not start

signals: SIGTERM and SIGINT let open connections finish; a second one ends the service at once. SIGHUP checks
settings, certificate, key and CTL file, and uses the new ones if all are good; open connections stay. It also opens
the log file again. --check-config makes the same check without a service.
exit statuses: 0 stopped by a signal, 1 cannot start, 2 wrong settings, 130 ended at once by a second signal.
"""


_EFFECTIVE = {"workers": "worker_count", "store": "database"}
"""Settings without a fixed default, and the property of `Config` that has the value in use."""


def add_commands(commands: Commands) -> None:
    """Adds `serve`."""
    parser = commands.add_parser(
        "serve", help="answer phones", description="Answers phones on TCP 2445.", epilog=_EPILOG
    )
    for name in SERVICE_SETTINGS:
        _setting_option(parser, name)
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="check settings and their files, report all problems",
    )
    handled_by(parser, _serve)


def _setting_option(parser: argparse.ArgumentParser, name: str) -> None:
    setting = setting_help(name)
    default = setting["default"]
    text = setting["help"] + (f" (default: {_shown(default)})" if default is not None else "")
    if choices := setting.get("choices"):
        text = f"{text.removesuffix(')')}; {', '.join(choices)})"
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        dest=name,
        type=str,
        metavar=setting.get("metavar", "NAME"),
        help=text.replace("%", "%%"),
    )


def _shown(value: object) -> str:
    """A setting's value as it can be written."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _serve(arguments: argparse.Namespace) -> int:
    from tvs.config.loading import load_config
    from tvs.process.supervisor import Supervisor
    from tvs.state import StateDirectory

    options = {name: getattr(arguments, name) for name in SERVICE_SETTINGS}
    if options["state"] is None:
        options["state"] = str(default_state())

    def load() -> Config:
        return load_config(options, file=arguments.config)

    config = load()
    state = StateDirectory.of(config)
    if arguments.check_config or not state.last_good.exists():
        state.require()
    if arguments.check_config:
        return _check(config)
    return Supervisor(config, load_config=load, announce=_announce).run()


def _check(config: Config) -> int:
    from tvs.config.loading import ConfigError
    from tvs.process.checks import examine, warnings
    from tvs.state import StateDirectory

    with StateDirectory.of(config).rights():  # as the service: a log that root makes would be closed to it
        _, problems = examine(config)
        for _, sentence in warnings(config):
            sys.stderr.write(f"tvs: warning: {harmless(sentence)}\n")
    if problems:
        raise ConfigError(problems)
    say("The settings are good:")
    for name in SETTINGS:
        value = getattr(config, _EFFECTIVE.get(name, name))
        say(f"  {name:<20} {_shown(value)}".rstrip())
    return OK


def _announce(phones: Endpoint, admin: Endpoint) -> None:
    say(f"TVS is listening on {phones} for phones, on http://{admin} for metrics and health")
    sys.stdout.flush()

"""`tvs show tls-profile`: versions, suites and phones of each TLS profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli import values
from tvs.cli.common import OK, handled_by, json_option, say, say_json
from tvs.tls.profiles import PROFILES, TLSProfile

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands


def add_show_commands(show: Commands) -> None:
    """Adds `show tls-profile`."""
    parser = show.add_parser(
        "tls-profile",
        help="versions, suites and phones of the TLS profiles",
        description="Prints what each TLS profile accepts: versions, suites, phones.",
        epilog="examples:\n  tvs show tls-profile\n  tvs show tls-profile legacy --json\n",
    )
    parser.add_argument(
        "profile",
        nargs="?",
        type=values.one_of(TLSProfile),
        choices=list(TLSProfile),
        metavar="PROFILE",
        help=f"one of {', '.join(TLSProfile)} (default: all)",
    )
    json_option(parser)
    handled_by(parser, _show)


def _show(arguments: argparse.Namespace) -> int:
    chosen = [arguments.profile] if arguments.profile else list(TLSProfile)
    described = [_described(profile) for profile in chosen]
    if arguments.json:
        say_json(described)
        return OK
    for profile in described:
        say(f"{profile['profile']}: {profile['phones']}")
        say(f"  from {profile['minimum']} on, security level {profile['security_level']}")
        for suite in profile["suites"]:  # type: ignore[attr-defined] # a list of names
            say(f"  {suite}")
    return OK


def _described(profile: TLSProfile) -> dict[str, object]:
    from tvs.tls.contexts import accepted_suites

    settings = PROFILES[profile]
    return {
        "profile": profile.value,
        "phones": settings.phones,
        "minimum": settings.minimum_name,
        "security_level": settings.security_level,
        "suites": accepted_suites(profile),
    }

"""`tvs show cluster`: publisher, mode, signer and digest of the trust lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cli.common import OK, say, say_json, state_command, state_of, store_of

if TYPE_CHECKING:
    import argparse

    from tvs.cli.common import Commands


def add_show_commands(show: Commands) -> None:
    """Adds `show cluster`."""
    cluster = show.add_parser(
        "cluster",
        help="mode of the cluster, signer and digest of its trust lists",
        description="Shows the publisher, the mode, the signer and the digest of trust lists, the kinds of phones.",
        epilog="example:\n  tvs show cluster --json",
    )
    state_command(cluster, _show)


def _show(arguments: argparse.Namespace) -> int:
    from tvs.cluster.situation import read_situation
    from tvs.manage.kinds import phone_kinds

    with store_of(arguments) as store:
        situation, kinds = read_situation(state_of(arguments), store), phone_kinds(store)
    publisher = situation.publisher
    mode = "mixed" if situation.mixed_mode else "non-secure"
    if arguments.json:
        say_json(
            {
                "publisher": publisher.name,
                "address": publisher.address,
                "mode": mode,
                "signer": situation.signer,
                "digest": situation.digest.text,
                "phones": sorted(kinds),
            }
        )
        return OK
    say(f"Publisher  {' '.join(filter(None, (publisher.name, publisher.address)))}")
    say(f"Mode       {mode}")
    say(f"Signer     {situation.signer}")
    say(f"Digest     {situation.digest.text}")
    say(f"Phones     {', '.join(sorted(kinds))}")
    return OK

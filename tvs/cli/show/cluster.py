"""`tvs show cluster`: publisher, mode, signer and digest of the trust lists, the last change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proto.text import printable
from tvs.cli.common import OK, say, say_json, state_command, state_of, store_of

if TYPE_CHECKING:
    import argparse

    from certstore.generations import Generation
    from tvs.cli.common import Commands


def add_show_commands(show: Commands) -> None:
    """Adds `show cluster`."""
    cluster = show.add_parser(
        "cluster",
        help="mode of the cluster, signer and digest of its trust lists",
        description="Shows the publisher, the mode, the signer and the digest of trust lists, the kinds of phones, "
        "and the cluster's generation: the number of its last change, when it was made, where, and what it was.",
        epilog="example:\n  tvs show cluster --json",
    )
    state_command(cluster, _show)


def _show(arguments: argparse.Namespace) -> int:
    from tvs.cluster.situation import read_situation
    from tvs.manage.evidence import phone_kinds

    with store_of(arguments) as store:
        situation, kinds = read_situation(state_of(arguments), store), phone_kinds(state_of(arguments), store)
        generation = store.generation()
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
                "rollover": None if situation.rollover is None else situation.rollover.facts,
                "generation": generation.number,
                "changed": _changed(generation),
            }
        )
        return OK
    say(f"Publisher  {' '.join(filter(None, (publisher.name, publisher.address)))}")
    say(f"Mode       {mode}")
    say(f"Signer     {situation.signer}")
    say(f"Digest     {situation.digest.text}")
    say(f"Phones     {', '.join(sorted(kinds))}")
    if (rollover := situation.rollover) is not None:
        say(f"Rollover   {rollover.unit} is {rollover.stage}: tvs rollover {rollover.unit} --status")
    say(f"Generation {generation.number}")
    if changed := _changed(generation):
        say(f"Changed    {changed['when']} by {changed['who']}: {changed['what']}")
    return OK


def _changed(generation: Generation) -> dict[str, str] | None:
    """Time, place and line of the last change; None before the first."""
    if generation.number == 0:
        return None
    when = f"{datetime.fromtimestamp(generation.when, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {"when": when, "who": printable(generation.who), "what": printable(generation.what)}

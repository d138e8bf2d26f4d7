"""Phones that keep asking all nodes: `python -m deploy.cluster.phones FOLDER`.

Each is a phone of the emulator (`tvs.phone`) with the nodes as its TVS servers, in an order of its own. Again and again
it fetches the trust lists of a node, and asks about what is in them. FOLDER/phones.json has what they saw.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from ctlcache.trustlist import parse_trust_list
from deploy.cluster.layout import Folder
from tvs.config.endpoint import Endpoint
from tvs.phone import DirectorySource, Phone, Refused, find_model
from tvs.phone.boot import boot
from tvs.phone.proxy import TVSUnavailable
from tvs.phone.trust import ListKind

if TYPE_CHECKING:
    from deploy.cluster.layout import Node
    from tvs.phone.proxy import ProxyAnswer

NUMBER = 30
PAUSE = 0.25
"""Seconds between two phones."""
_MODELS = ("7841", "8845", "8861")
_NOTED = 1.0
"""Seconds between two notes of what they saw."""


@dataclass
class Counts:
    """What the phones saw.

    Attributes:
        phones: their number.
        answers: by the address of the node that gave them.
        refused: answers and lists that a phone refused.
        failed: questions that no node answered.
        last: the last sentence about one of these.
    """

    phones: int = NUMBER
    answers: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    failed: int = 0
    last: str = ""


def main() -> int:
    """Lets phones ask until SIGTERM."""
    folder = Folder(Path(sys.argv[1]))
    ports = folder.ports
    if ports is None:
        sys.stderr.write(f"{folder.path}: there is no cluster\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asyncio.run(ask_all(folder, ports.nodes))
    return 0


async def ask_all(folder: Folder, nodes: tuple[Node, ...]) -> None:
    """Lets the phones ask, one after the other."""
    counts, noted = Counts(), 0.0
    phones = [make_phone(number, nodes) for number in range(NUMBER)]
    for number, phone in itertools.cycle(enumerate(phones)):
        source = DirectorySource(folder.state(nodes[number % len(nodes)].name) / "tftp")
        try:
            await ask(phone, source, counts)
        except Refused as refused:
            counts.refused += 1
            counts.last = f"{phone.name}: {refused}"
        except TVSUnavailable as error:
            counts.failed += 1
            counts.last = f"{phone.name}: {error}"
        if time.monotonic() - noted > _NOTED:
            noted = time.monotonic()
            note(folder, counts)
        await asyncio.sleep(PAUSE)


def make_phone(number: int, nodes: tuple[Node, ...]) -> Phone:
    """A phone that tries the nodes in its own order: each node is first with as many."""
    phone = Phone(f"00505600{number:04X}", find_model(_MODELS[number % len(_MODELS)]))
    servers = [Endpoint(node.address, node.port) for node in nodes]
    first = number % len(servers)
    phone.flash.servers = (*servers[first:], *servers[:first])
    return phone


async def ask(phone: Phone, source: DirectorySource, counts: Counts) -> None:
    """Fetches the lists, and asks about the CTL file's signer and about each certificate in it, as for a web page.

    Raises `Refused` and `TVSUnavailable`.
    """
    report = await boot(phone, source)
    for update in (report.ctl, report.itl):
        if update.refusal is not None:
            raise Refused(update.refusal, update.sentence)
    phone.require_tvs("this phone asks about everything")
    phone.flush_answers()  # phones keep answers for a day: these want new ones
    installed = phone.flash.installed(ListKind.CTL) or phone.flash.installed(ListKind.ITL)
    if installed is None:
        return
    trust_list = parse_trust_list(installed)
    header = trust_list.header
    known = {record.certificate for record in trust_list.records if record.certificate is not None}
    async with phone.tvs() as proxy:
        signer = await proxy.query(subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number)
        judge(phone, signer, counts)
        for der in sorted(known)[:2]:
            judge(phone, await proxy.verify(Certificate.from_der(der)), counts)


def judge(phone: Phone, answer: ProxyAnswer, counts: Counts) -> None:
    """Counts an answer: what is in a list is trusted."""
    if answer.cached:
        return
    if answer.trusted:
        counts.answers[str(answer.server)] += 1
    else:
        counts.refused += 1
        counts.last = f"{phone.name}: {answer.server} does not trust what is in the list"


def note(folder: Folder, counts: Counts) -> None:
    """Writes what the phones saw."""
    new = folder.counts.with_suffix(".new")
    new.write_text(json.dumps(vars(counts)))
    new.replace(folder.counts)


if __name__ == "__main__":
    sys.exit(main())

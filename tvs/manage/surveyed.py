"""The cluster's TVS servers, asked for a plan: what phones meet there now, beside what database and settings say.

Asked are the nodes that show a sign of a service: a report in the database, and on this node a process that uses the
state directory. A command that plans twice, because it asks a question, asks the servers once. No lock is held
meanwhile, and no transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError
from tvs.cluster.membership import own_node
from tvs.cluster.situation import read_list, read_situation
from tvs.config.endpoint import DEFAULT_PORT, Endpoint
from tvs.config.loading import load_config
from tvs.errors import StateError
from tvs.manage.evidence import read_record
from tvs.manage.kinds import said_kinds
from tvs.plan.answers import parsed
from tvs.plan.phones import PhoneKind
from tvs.plan.servers import SeenAnswer, SeenServer
from tvs.system.presence import is_used
from tvs.tls.profiles import PROFILES
from tvs.tls.versions import TLS_1_0

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certstore.store import CertificateStore, Node
    from tvs.client.question import TVSQuestion
    from tvs.client.survey import ServerLook
    from tvs.cluster.situation import Situation
    from tvs.manage.evidence import Record
    from tvs.state import StateDirectory
    from tvs.tls.profiles import TLSProfile

LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as settings name all addresses of a machine
"""Where a service that listens on all addresses is asked."""
AGAIN: Final = 1.0
"""Seconds until servers that serve something older are asked again: they may be about to take a change."""


def seen_servers(
    state: StateDirectory, phones: frozenset[PhoneKind] | None, profile: TLSProfile | None
) -> tuple[tuple[SeenServer, ...], Record | None]:
    """The servers of all nodes as they are met now, and the record of phones if it had to be read.

    It takes some seconds at most (`tvs.client.survey.ALL`), twice if a server serves something older than the database
    has. Raises `StateError`, `StoreError` and `ConfigError`.

    Args:
        state: the state directory.
        phones: the kinds of phones that count; None for those of the database.
        profile: the service's TLS profile; None for that of its settings.
    """
    with state.opened() as store:
        targets = _targets(state, store)
        if not any(target.places for target in targets):
            return tuple(target.server for target in targets), None
        tls10, record = _tls10(state, store, phones, profile)
        seen = _met(state, targets, tls10=tls10)
        if any(server.reached for server in seen) and _late(read_situation(state, store, profile), seen):
            time.sleep(AGAIN)
            seen = _met(state, _targets(state, store), tls10=tls10)
    return seen, record


def _tls10(
    state: StateDirectory, store: CertificateStore, phones: frozenset[PhoneKind] | None, profile: TLSProfile | None
) -> tuple[bool, Record | None]:
    """Whether servers are asked for TLS 1.0, too; the record of phones if that follows from it.

    A server that refuses it counts a refusal, and does not record it as a phone's.
    """
    profile = profile or load_config({"state": str(state.path)}).tls_profile
    if PROFILES[profile].minimum <= TLS_1_0:
        return True, None
    if said := phones or said_kinds(store):
        return PhoneKind.TLS10 in said, None
    record = read_record(state, store)
    return PhoneKind.TLS10 in record.kinds, record


def _late(situation: Situation, seen: Sequence[SeenServer]) -> bool:
    """Whether a server serves an earlier generation, or gives other answers than the database has."""
    return any(server.late or any(told.differs(situation) for told in server.answers) for server in seen)


@dataclass(frozen=True, slots=True)
class _Target:
    """A node's server before it is asked, and where; nowhere if no service is seen."""

    server: SeenServer
    places: tuple[Endpoint, ...]


def _met(state: StateDirectory, targets: Sequence[_Target], *, tls10: bool) -> tuple[SeenServer, ...]:
    asked = {target.server.node: target.places for target in targets if target.places}
    if not asked:
        return tuple(target.server for target in targets)
    from tvs.client.survey import survey  # noqa: PLC0415 - most commands run where no service does

    questions = _questions(state)
    looks = survey(asked, questions, tls10=tls10)
    return tuple(
        _seen(target.server, looks[target.server.node], questions) if target.places else target.server
        for target in targets
    )


def _targets(state: StateDirectory, store: CertificateStore) -> list[_Target]:
    current = store.generation().number
    try:
        reports = {report.node.lower(): report.generation for report in store.reports()}
    except StoreError:  # of a file of their own, which can be damaged
        reports = {}
    used = is_used(state.path) and is_used(state.path)  # twice: while another command looks, it seems used
    here = _own_name(state, store) if reports or used is not False else ""
    found = []
    for node in store.nodes():
        served = reports.get(node.name.lower())
        runs = used if node.name == here and used is not None else served is not None
        server = SeenServer(node=node.name, runs=runs, generation=served, current=current)
        found.append(_Target(server, _places(state, node, here=node.name == here) if runs else ()))
    return found


def _own_name(state: StateDirectory, store: CertificateStore) -> str:
    """The name of this node; empty for a directory of none, whose service is asked by nobody."""
    try:
        return own_node(state, store).name
    except StateError:
        return ""


def _places(state: StateDirectory, node: Node, *, here: bool) -> tuple[Endpoint, ...]:
    """Where a node's server may be reached: a service of this machine says where it listens."""
    host = node.address or node.name
    if not here:
        return (Endpoint(host, DEFAULT_PORT),)
    from tvs.config.announced import read_announced  # noqa: PLC0415 - likewise

    listen = read_announced(state.listening) or load_config({"state": str(state.path)}).listen
    port = listen.port or DEFAULT_PORT
    places = (Endpoint(LOOPBACK.get(listen.host, listen.host), port), Endpoint(host, port))
    return tuple(dict.fromkeys(places))


def _questions(state: StateDirectory) -> list[TVSQuestion]:
    """Who the signers of the present lists are."""
    from tvs.client.question import TVSQuestion  # noqa: PLC0415 - likewise

    lists = [parsed(read_list(path)) for path in (state.ctl_file, state.itl_file)]
    headers = [trust_list.header for trust_list in lists if trust_list is not None]
    found = {
        (header.ca_name, header.serial_number): TVSQuestion(
            subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number
        )
        for header in headers
    }
    return list(found.values())


def _seen(server: SeenServer, look: ServerLook, questions: Sequence[TVSQuestion]) -> SeenServer:
    answers = tuple(
        SeenAnswer(
            signer_name=question.subject,
            ca_name=question.issuer,
            serial_number=question.serial,
            trusted=told.trusted,
            certificate=told.certificate,
            roles=told.roles,
        )
        for question, told in zip(questions, look.answers, strict=False)
        if told is not None
    )
    return replace(
        server,
        where=str(look.server),
        certificate=look.certificate,
        tls10=look.tls10,
        answers=answers,
        problem=look.problem,
    )

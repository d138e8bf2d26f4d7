"""The TVS servers that phones find: as database and settings say, or as they were met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from certstore.purposes import Purpose
from ctlcache.keys import certificate_key
from tvs.plan.answers import SignerAnswer, tvs_answer
from tvs.tls.profiles import PROFILES, TLSProfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.cluster.situation import Situation
    from tvs.plan.answers import SignerNames

MET: Final = ""
"""`SignerAnswer.source` of an answer that a server gave: it does not say from which cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAnswer:
    """A server's answer about a signer, which is named as in the header of a list.

    Attributes:
        signer_name, ca_name: names of the signer and of its issuer in CTL text form.
        serial_number: raw bytes of its serial number.
        trusted: whether the server says 'trusted'.
        certificate: the answer's certificate, X.509 DER; None without one.
        roles: role codes, ascending.
    """

    signer_name: str
    ca_name: str
    serial_number: bytes
    trusted: bool
    certificate: bytes | None = None
    roles: tuple[int, ...] = ()

    @property
    def answer(self) -> SignerAnswer | None:
        """The answer as phones take it; None for 'not trusted'."""
        if not self.trusted or self.certificate is None:
            return None
        return SignerAnswer(certificate=self.certificate, roles=self.roles, source=MET)

    def differs(self, situation: Situation) -> bool:
        """Whether the certificates of the situation give another answer."""
        said = tvs_answer(situation, self)
        told = self.answer
        if said is None or told is None:
            return said is not told
        return (said.certificate, sorted(set(said.roles))) != (told.certificate, sorted(set(told.roles)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenServer:
    """A TVS server as it was met, or why it was not.

    Attributes:
        node: name of its node.
        where: host and port at which it was asked; empty if it was not asked.
        certificate: what it presents, X.509 DER; None if it was not reached.
        tls10: whether it takes TLS 1.0 phones; None if that is not known.
        answers: about the signers in question.
        problem: why it was not reached, or does not answer; empty if it does.
        runs: whether there is a sign of a service: a report in the database, or a process that uses the directory.
        generation: number of the generation that its report says it serves; None without a report.
        current: number of the database's generation then.
    """

    node: str
    where: str = ""
    certificate: bytes | None = None
    tls10: bool | None = None
    answers: tuple[SeenAnswer, ...] = ()
    problem: str = ""
    runs: bool = True
    generation: int | None = None
    current: int = 0

    @property
    def reached(self) -> bool:
        """Whether it presented a certificate."""
        return self.certificate is not None

    @property
    def late(self) -> bool:
        """Whether it is reached, and reports that it serves an earlier generation than the database has."""
        return self.reached and self.generation is not None and self.generation < self.current


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A TVS server that a phone may ask.

    Attributes:
        certificate: what it presents, X.509 DER.
        tls10: whether it takes TLS 1.0 phones.
        answers: those that it gives in place of the situation's.
    """

    certificate: bytes
    tls10: bool
    answers: tuple[SeenAnswer, ...] = ()

    def answer(self, situation: Situation, signer: SignerNames) -> SignerAnswer | None:
        """Its answer about a signer; None for 'not trusted'."""
        for told in self.answers:
            if (told.ca_name, told.serial_number) == (signer.ca_name, signer.serial_number):
                return told.answer
        return tvs_answer(situation, signer)


def serves_tls10(situation: Situation, certificate: bytes) -> bool:
    """Whether a TVS server with this certificate answers TLS 1.0 phones: they know RSA key exchange only."""
    if PROFILES[situation.profile].minimum > PROFILES[TLSProfile.LEGACY].minimum:
        return False
    return certificate_key(certificate) is not None


def as_said(situation: Situation) -> tuple[Server, ...]:
    """The servers as database and settings say; not that of a lost node."""
    return tuple(
        Server(certificate=node.tvs, tls10=serves_tls10(situation, node.tvs))
        for node in situation.cluster_nodes
        if node.tvs is not None and node.name != situation.lost
    )


def as_met(situation: Situation, before: Situation, seen: Sequence[SeenServer]) -> tuple[Server, ...]:
    """The servers as they were met. One that agrees with the situation before a change follows the change.

    A server that is not reached answers no phone. One that was not asked, because nothing shows that a service runs
    there, is as database and settings say.

    Args:
        situation: the one in which phones boot.
        before: the one in which the servers were met.
        seen: the servers, at most one of each node.
    """
    met = {server.node.lower(): server for server in seen}
    found = []
    for node in situation.cluster_nodes:
        if node.tvs is None or node.name == situation.lost:
            continue
        server = met.get(node.name.lower())
        if server is None or not (server.reached or server.runs):
            found.append(Server(certificate=node.tvs, tls10=serves_tls10(situation, node.tvs)))
        elif server.certificate is not None:
            found.append(_met(server, server.certificate, node.tvs, situation, before))
    return tuple(found)


def _met(server: SeenServer, presented: bytes, own: bytes, situation: Situation, before: Situation) -> Server:
    """A server that presents a certificate, in a situation in which the database has another one for its node."""
    certificate = own if before.own(Purpose.TVS, server.node) in (None, presented) else presented
    tls10 = serves_tls10(situation, certificate)
    if server.tls10 not in (None, serves_tls10(before, presented)):
        tls10 = bool(server.tls10)
    return Server(
        certificate=certificate, tls10=tls10, answers=tuple(told for told in server.answers if told.differs(before))
    )

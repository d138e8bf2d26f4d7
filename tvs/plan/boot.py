"""The boot of a phone on values, in the order of the published traces.

The phone emulator's functions (`tvs.phone.trust`) decide whether a phone takes a list; the service's own verifier
gives TVS's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from proto.roles import role_name
from tvs.phone.trust import ListKind, Refusal, Refused, check_answer, inspect, tvs_certificates, verified, vouches
from tvs.plan.servers import as_said

if TYPE_CHECKING:
    from ctlcache.trustlist import TrustList
    from tvs.cluster.situation import Situation
    from tvs.plan.answers import SignerAnswer
    from tvs.plan.phones import HeldLists, PhoneKind
    from tvs.plan.servers import Server


class Decision(StrEnum):
    """A phone's decision about a list: a closed set."""

    NOT_USED = "not-used"
    """This kind of phone does not fetch it."""
    NOT_FOUND = "not-found"
    """The server has none; the phone keeps its own."""
    UNCHANGED = "unchanged"
    """The phone has exactly this one."""
    FIRST = "accepts-first"
    """The phone had no list at all, and takes the first on trust."""
    OWN_LIST = "accepts-by-own-list"
    TVS = "accepts-after-asking-tvs"
    REFUSES = "refuses"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedList:
    """A phone's decision about one fetched list, with its reasons.

    Attributes:
        decision: of the phone.
        refusal: the reason of a refusal.
        sentence: the same for people; empty unless it refuses.
        answer: of TVS, if the phone asked and was answered.
    """

    decision: Decision
    refusal: Refusal | None = None
    sentence: str = ""
    answer: SignerAnswer | None = None

    @property
    def text(self) -> str:
        """A few words for people."""
        words = _WORDS[self.decision]
        if self.decision is Decision.TVS and self.answer is not None:
            roles = ", ".join(role_name(role) for role in self.answer.roles)
            return f"{words}: {self.answer.name} ({roles}; {self.answer.cache})"
        return f"{words}: {self.sentence}" if self.sentence else words


_WORDS = {
    Decision.NOT_USED: "not used",
    Decision.NOT_FOUND: "not there, keeps its own",
    Decision.UNCHANGED: "has it already",
    Decision.FIRST: "accepts it as its first",
    Decision.OWN_LIST: "accepts by its own list",
    Decision.TVS: "accepts after asking TVS",
    Decision.REFUSES: "refuses",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBoot:
    """A phone's decisions at a boot.

    Attributes:
        ctl, itl: about the two lists.
        held: the lists that it holds afterwards.
    """

    ctl: PlannedList
    itl: PlannedList
    held: HeldLists

    @property
    def refused(self) -> bool:
        """Whether the phone refuses a list, and so keeps an old one."""
        return Decision.REFUSES in (self.ctl.decision, self.itl.decision)


def installable(held: HeldLists, kind: PhoneKind) -> HeldLists:
    """Those of the held lists that a phone of this kind can have installed: it uses them, and verifies their bytes."""
    ctl = held.ctl is None or _verifies(held.ctl, kind)
    itl = kind.model.tvs and (held.itl is None or _verifies(held.itl, kind))
    kept = held if ctl else replace(held, ctl=None, ctl_name="")
    return kept if itl else replace(kept, itl=None, itl_name="")


def _verifies(data: bytes, kind: PhoneKind) -> bool:
    try:
        inspect(data, kind.model)
    except Refused:
        return False
    return True


def boot(
    held: HeldLists,
    situation: Situation,
    kind: PhoneKind,
    made: frozenset[bytes] = frozenset(),
    servers: tuple[Server, ...] | None = None,
) -> PlannedBoot:
    """The decisions of a phone at a boot.

    Args:
        held: the lists that it holds; those that this kind cannot verify it never installed.
        situation: the cluster that it finds.
        kind: of the phone.
        made: certificates (X.509 DER) that the planned change makes.
        servers: the TVS servers that it finds; None for those of the situation.
    """
    held = installable(held, kind)
    phone = _Phone(kind=kind, itl_at_boot=held.itl, situation=situation, servers=servers, made=made)
    itl = held.itl
    ctl_outcome = phone.check(ListKind.CTL, situation.ctl, held.ctl, (held.ctl, itl))
    ctl = situation.ctl if _accepted(ctl_outcome) else held.ctl
    if kind.model.tvs:
        itl_outcome = phone.check(ListKind.ITL, situation.itl, itl, (ctl, itl))
    else:
        itl_outcome = PlannedList(decision=Decision.NOT_USED)
    itl = situation.itl if _accepted(itl_outcome) else itl
    return PlannedBoot(ctl=ctl_outcome, itl=itl_outcome, held=replace(held, ctl=ctl, itl=itl))


def _accepted(outcome: PlannedList) -> bool:
    return outcome.decision in (Decision.FIRST, Decision.OWN_LIST, Decision.TVS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phone:
    """A phone during its boot: it asks the TVS servers that its ITL knew when it began."""

    kind: PhoneKind
    itl_at_boot: bytes | None
    situation: Situation
    servers: tuple[Server, ...] | None
    made: frozenset[bytes]

    def check(
        self,
        list_kind: ListKind,
        fetched: bytes | None,
        present: bytes | None,
        installed: tuple[bytes | None, bytes | None],
    ) -> PlannedList:
        """The decision about one list.

        Args:
            list_kind: CTL or ITL.
            fetched: its bytes; None if the server has none.
            present: the installed list of the same kind.
            installed: both installed lists, the CTL first.
        """
        if fetched is None:
            return PlannedList(decision=Decision.NOT_FOUND)
        if fetched == present:
            return PlannedList(decision=Decision.UNCHANGED)
        try:
            held = [data for data in installed if data is not None]
            return self._vouched(list_kind, inspect(fetched, self.kind.model), held)
        except Refused as refused:
            return PlannedList(decision=Decision.REFUSES, refusal=refused.refusal, sentence=refused.sentence)

    def _vouched(self, list_kind: ListKind, fetched: TrustList, installed: list[bytes]) -> PlannedList:
        if not installed:
            return PlannedList(decision=Decision.FIRST)
        for data in installed:
            trust_list = verified(data).trust_list
            if trust_list is not None and vouches(trust_list, fetched, list_kind):
                return PlannedList(decision=Decision.OWN_LIST)
        asked = {server.answers: server for server in self._tvs_servers()}  # the others answer alike
        answers = [self._judged(fetched, server) for server in asked.values()]
        return next((told for told in answers if told.decision is Decision.REFUSES), answers[0])

    def _judged(self, fetched: TrustList, server: Server) -> PlannedList:
        """The decision after the answer of a server. Raises `Refused` if it does not know the signer."""
        answer = server.answer(self.situation, fetched.header)
        if answer is None:
            raise Refused(Refusal.UNKNOWN_SIGNER, "TVS does not know its signer")
        answer = replace(answer, new=answer.certificate in self.made)
        try:
            check_answer(fetched, answer.certificate, answer.roles)
        except Refused as refused:
            return PlannedList(
                decision=Decision.REFUSES, refusal=refused.refusal, sentence=refused.sentence, answer=answer
            )
        return PlannedList(decision=Decision.TVS, answer=answer)

    def _tvs_servers(self) -> list[Server]:
        """The servers of the cluster that this phone can ask, of which any may answer. Raises `Refused` without one."""
        if not self.kind.model.tvs:
            raise Refused(
                Refusal.NO_TVS_SUPPORT, "its signer is in no list that the phone holds, and it does not ask TVS"
            )
        known = frozenset[bytes]() if self.itl_at_boot is None else tvs_certificates(self.itl_at_boot)
        if not known:
            raise Refused(Refusal.NO_TVS_RECORD, "the phone's ITL has no TVS record: it knows no TVS server to ask")
        found = as_said(self.situation) if self.servers is None else self.servers
        if not found and self.situation.tvs_certificates:
            raise Refused(Refusal.TVS_UNREACHABLE, "no TVS server of the cluster can be reached")
        servers = [server for server in found if server.certificate in known]
        if not servers:
            raise Refused(Refusal.TVS_UNTRUSTED, "the certificates of all TVS servers are missing in the phone's ITL")
        if self.kind.tls10 and not any(server.tls10 for server in servers):
            raise Refused(Refusal.TVS_UNREACHABLE, "no TVS server speaks TLS 1.0 with this phone")
        return [server for server in servers if server.tls10 or not self.kind.tls10]

"""`python -m tests.history.administrator STATE SEED NUMBER FILE`: an administrator's random operations on a node.

They take the one road of changes (`tvs.manage.procedure.carry_out`), as commands do, without a process for each. FILE
gets a line for each operation when it is proposed, and another one when its outcome is known (`tests.history.events`).
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.errors import StoreError, StoreUnavailable
from certstore.purposes import Purpose
from ctlcache.digests import Digest
from tests.fixtures.certificates import certificate
from tests.history.events import Operation, Outcome
from tests.history.registers import CERT, LIST, OWN, PARAMETER, digest
from tvs.cluster.certificates import propose_regeneration
from tvs.cluster.proposals import propose_ctl, propose_itl, propose_parameter
from tvs.cluster.signers import propose_digest
from tvs.cluster.situation import LIST_DIGEST
from tvs.cluster.trusted import propose_delete_trusted, propose_import_trusted
from tvs.errors import StateError
from tvs.manage.confirmation import NodeStep, Reading, wait_for_nodes
from tvs.manage.planning import PlanOptions
from tvs.manage.procedure import carry_out
from tvs.plan.phones import PHONE_KINDS
from tvs.state import StateDirectory
from tvs.units import CTL_NAME, ITL_NAME, KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from certstore.store import StoreEntry
    from tests.history.events import Values
    from tvs.cluster.change import Change
    from tvs.cluster.situation import Situation

    Proposal = tuple[Change, Values]

UNIT = Purpose.Phone_trust
MANY = 40
"""Certificates from which on more are deleted than imported."""
AWAITED = 0.34
"""Share of the operations that wait for the nodes' confirmation."""
_SUBJECT = "CN=history-{:06x}"
_ROLES = (1, 2, 3, 5, 7)
_KINDS = ("with-tvs", "tls1.0", "with-tvs without-tvs", "tls1.0 with-tvs")
_DIGESTS = (Digest.SHA1, Digest.SHA256, Digest.SHA512)


def subject_of(serial: int) -> str:
    """Subject and issuer of an administrator's certificate."""
    return _SUBJECT.format(serial)


class Administrator:
    """One administrator.

    Args:
        state: state directory of the node, whose name it has.
        dice: for the operations.
        log: gets the operations.
    """

    def __init__(self, state: StateDirectory, dice: random.Random, log: TextIO) -> None:
        self._state = state
        self._dice = dice
        self._log = log
        self._serial = dice.randrange(0x100000, 0xF00000)
        self._node = state.path.name

    def operate(self) -> None:
        """One operation."""
        choose = self._dice.choices(
            [self._import, self._delete, self._choose_roles, self._kinds, self._lists, self._digest, self._regenerate],
            weights=[30, 25, 10, 10, 10, 5, 1],
        )[0]
        self._operation = Operation(
            node=self._node,
            title="",
            attempt=None,
            effects={},
            invoked=time.monotonic(),
            returned=float("inf"),
            outcome=Outcome.REFUSED,
        )
        reports: list[Reading] = []
        try:
            change = carry_out(
                self._state,
                partial(self._propose, choose),
                PlanOptions(offline=True),
                force=True,
                on_reports=reports.append,
            )
        except StoreUnavailable as error:
            self._end(Outcome.REFUSED if self._operation.attempt is None else Outcome.UNKNOWN, reason=str(error))
            time.sleep(self._dice.uniform(0.2, 0.6))  # an administrator looks first what has happened
        except (StoreError, StateError, ValueError) as error:
            self._end(Outcome.REFUSED, reason=str(error))
        else:
            self._end(Outcome.ACKNOWLEDGED, self._confirmed(change, reports[-1]))

    def _confirmed(self, change: Change, before: Reading) -> tuple[str, ...]:
        """The nodes that confirm the change, if this operation waits for them."""
        if self._dice.random() >= AWAITED:
            return ()
        confirmation = wait_for_nodes(self._state, change, before)
        return tuple(node.node for node in confirmation.at(NodeStep.CONFIRMED))

    def _propose(
        self, choose: Callable[[StateDirectory, Situation], Proposal], state: StateDirectory, situation: Situation
    ) -> Change:
        change, effects = choose(state, situation)
        change = replace(change, title=f"{change.title} ({self._node} {time.monotonic_ns()})")  # the only one
        for name, old, new in (
            (CTL_NAME, change.before.ctl, change.after.ctl),
            (ITL_NAME, change.before.itl, change.after.itl),
        ):
            if new is not None and new != old:
                effects[LIST + name] = digest(bytes(new))
        self._operation = replace(
            self._operation,
            title=change.title,
            attempt=situation.generation + 1,
            effects=effects,
            outcome=Outcome.UNKNOWN,
        )
        self._write()
        return change

    def _end(self, outcome: Outcome, confirmed: tuple[str, ...] = (), reason: str = "") -> None:
        self._operation = replace(
            self._operation, outcome=outcome, confirmed=confirmed, reason=reason, returned=time.monotonic()
        )
        self._write()

    def _write(self) -> None:
        self._log.write(self._operation.to_line())
        self._log.flush()

    # -- operations

    def _own(self, situation: Situation) -> list[StoreEntry]:
        """The administrators' certificates."""
        return [entry for entry in situation.entries if entry.unit is UNIT]

    def _import(self, state: StateDirectory, situation: Situation) -> Proposal:
        if len(self._own(situation)) > MANY:
            return self._delete(state, situation)
        self._serial += 1
        der = certificate(subject_of(self._serial), self._serial)
        return self._imported(state, situation, der, f"{self._serial:06x}")

    def _imported(self, state: StateDirectory, situation: Situation, der: bytes, serial: str) -> Proposal:
        roles = sorted(self._dice.sample(_ROLES, self._dice.randint(1, 3)))
        change = propose_import_trusted(state, situation, unit=UNIT, certificates=[der], roles=roles)
        return change, {CERT + serial: " ".join(map(str, roles))}

    def _choose_roles(self, state: StateDirectory, situation: Situation) -> Proposal:
        """Other roles for a certificate that is there."""
        if not (own := self._own(situation)):
            return self._import(state, situation)
        found = self._dice.choice(own).certificate
        return self._imported(state, situation, found.der, found.serial_number.hex())

    def _delete(self, state: StateDirectory, situation: Situation) -> Proposal:
        if not (own := self._own(situation)):
            return self._import(state, situation)
        entry = self._dice.choice(own)
        change = propose_delete_trusted(state, situation, unit=UNIT, name=entry.name)
        return change, {CERT + entry.certificate.serial_number.hex(): None}

    def _kinds(self, state: StateDirectory, situation: Situation) -> Proposal:
        value = self._dice.choice(_KINDS)
        return propose_parameter(state, situation, name=PHONE_KINDS, value=value), {PARAMETER + PHONE_KINDS: value}

    def _lists(self, state: StateDirectory, situation: Situation) -> Proposal:
        propose = self._dice.choice((propose_ctl, propose_itl))
        return propose(state, situation), {}

    def _digest(self, state: StateDirectory, situation: Situation) -> Proposal:
        """Both lists and a parameter at once."""
        chosen = self._dice.choice(_DIGESTS)
        return propose_digest(state, situation, digest=chosen), {PARAMETER + LIST_DIGEST: chosen.name}

    def _regenerate(self, state: StateDirectory, situation: Situation) -> Proposal:
        """A new own certificate, and with it a list."""
        change = propose_regeneration(state, situation, unit=Purpose.CAPF, kind=KeyType.RSA2048)
        new = change.after.own_entry(Purpose.CAPF)
        assert new is not None
        return change, {OWN + new.name: new.certificate.serial_number.hex()}


def main() -> int:
    """Makes the operations."""
    state, seed, number, file = sys.argv[1:]
    with Path(file).open("a") as log:
        administrator = Administrator(StateDirectory(Path(state)), random.Random(seed), log)
        for _ in range(int(number)):
            administrator.operate()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Changes that no phone notices, each on the one road of changes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tvs.manage.planning import PlanOptions
from tvs.manage.procedure import carry_out
from tvs.plan.phones import PHONE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.purposes import Purpose
    from tvs.cluster.replication import Taken
    from tvs.errors import StateError
    from tvs.plan.phones import PhoneKind
    from tvs.state import StateDirectory
    from tvs.units import KeyType


def set_phone_kinds(
    state: StateDirectory,
    kinds: frozenset[PhoneKind],
    on_taken: Callable[[Taken], None] = lambda _: None,
    on_unpublished: Callable[[StateError], None] = lambda _: None,
) -> None:
    """Puts the kinds of phones that the cluster has into the database; plans count these. See `carry_out`."""
    from tvs.cluster.proposals import propose_parameter  # noqa: PLC0415 - this change's own

    propose = partial(propose_parameter, name=PHONE_KINDS, value=" ".join(sorted(kinds)))
    carry_out(state, propose, PlanOptions(phones=kinds, offline=True), on_taken=on_taken, on_unpublished=on_unpublished)


def make_request(
    state: StateDirectory,
    unit: Purpose,
    kind: KeyType | None = None,
    on_taken: Callable[[Taken], None] = lambda _: None,
    on_unpublished: Callable[[StateError], None] = lambda _: None,
) -> str:
    """A new key of the publisher and a certificate signing request for it, PEM; see `propose_request`, `carry_out`."""
    from tvs.cluster.certificates import propose_request  # noqa: PLC0415 - this change's own

    propose = partial(propose_request, unit=unit, kind=kind)
    change = carry_out(state, propose, PlanOptions(offline=True), on_taken=on_taken, on_unpublished=on_unpublished)
    ((_, request),) = change.requests
    return request.decode("ascii")

"""The kinds of phones that the cluster is said to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.errors import StateError
from tvs.plan.phones import PHONE_KINDS, parse_kinds

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.plan.phones import PhoneKind


def said_kinds(store: CertificateStore) -> frozenset[PhoneKind] | None:
    """The kinds of phones that the cluster is said to have; None if nobody has said so. Raises `StateError`."""
    text = store.parameter(PHONE_KINDS)
    try:
        return None if text is None else parse_kinds(text)
    except ValueError as error:
        raise StateError(f"the parameter {PHONE_KINDS}: {error}; set it with: tvs set phones KIND …") from None

"""Addresses that the service turned away in the handshake, as far as they tell of phones that cannot ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tvs.plan.model import TurnedAway
from tvs.plan.phones import OLD_TLS, PhoneKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from certstore.devices import AnyDevice, Unserved

    AnyOfThem = TypeVar("AnyOfThem", bound=AnyDevice)


class Unanswered:
    """Addresses from which handshakes failed, without those at which a phone was served since.

    Args:
        unserved: the recorded addresses.
    """

    def __init__(self, unserved: Mapping[str, Unserved]) -> None:
        self._rows = dict(unserved)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def without(self, devices: Iterable[AnyOfThem]) -> Iterator[AnyOfThem]:
        """Hands all recorded phones on, and leaves out the addresses at which one was served since.

        A phone with TLS 1.2 does not answer for one without it that had its address before, or shares it.
        """
        for device in devices:
            if self._rows and (row := self._rows.get(device.addresses.partition(" ")[0])):
                same = row.version not in OLD_TLS or kind_of(device) is PhoneKind.TLS10
                if same and device.last >= row.last:
                    del self._rows[row.address]
            yield device

    @property
    def turned_away(self) -> TurnedAway:
        """The addresses, those that failed last first."""
        rows = sorted(self._rows.values(), key=lambda row: -row.last)
        return TurnedAway(_addresses(rows, old=True), _addresses(rows, old=False))


def _addresses(rows: Sequence[Unserved], *, old: bool) -> tuple[str, ...]:
    return tuple(row.address for row in rows if (row.version in OLD_TLS) is old)

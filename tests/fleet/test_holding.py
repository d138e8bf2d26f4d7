"""What a phone holds, as far as what was seen of it tells."""

from __future__ import annotations

import pytest

from certstore.devices import Device
from tvs.fleet.holding import Holding, PresentLists, holding, reason

NOW = PresentLists(signers=frozenset({("CN=ca", "0B")}), generation=5)
TRUSTS = {"signer_issuer": "CN=ca", "signer_serial": "0B", "signer_seen": 20}
DENIED = {"denied_issuer": "CN=ca", "denied_serial": "0B", "denied_seen": 20}


def device(**fields: object) -> Device:
    """A phone that was seen."""
    return Device("SEP000000000001", **{"last": 20, **fields})  # type: ignore[arg-type] # as a device has them


@pytest.mark.parametrize(
    ("known", "held"),
    [
        (device(**TRUSTS), Holding.PRESENT),
        (device(**DENIED), Holding.REFUSED),
        (device(**DENIED, **{**TRUSTS, "signer_seen": 21}), Holding.PRESENT),
        (device(**TRUSTS, **{**DENIED, "denied_seen": 21}), Holding.REFUSED),
        (device(**TRUSTS, **DENIED), Holding.REFUSED),
        (device(**TRUSTS, **{**DENIED, "denied_serial": "0C", "denied_seen": 21}), Holding.PRESENT),
        (device(**DENIED, **{**TRUSTS, "signer_serial": "0A", "signer_seen": 21}), Holding.REFUSED),
        (device(**{**TRUSTS, "signer_serial": "0A"}), Holding.UNKNOWN),
        (device(**{**TRUSTS, "signer_issuer": "CN=other"}), Holding.UNKNOWN),
        (device(), Holding.UNKNOWN),
        (device(last=0, listed=1), Holding.NEVER_SEEN),
    ],
)
def test_rules(known: Device, held: Holding) -> None:
    """The signer of the present lists counts, and the last that was said of it; in doubt the phone refused."""
    assert holding(known, NOW) is held
    assert reason(known, NOW)


def test_no_lists() -> None:
    """Without lists nothing is known."""
    assert holding(device(**TRUSTS), PresentLists()) is Holding.UNKNOWN


def test_reasons_of_not_knowing() -> None:
    """A phone that was seen before the lists were made, and one that was seen with them in place."""
    assert reason(device(generation=4), NOW) == "it was not seen since the present lists were made"
    assert reason(device(generation=5), NOW).startswith("it was seen with the present lists in place")
    assert reason(device(generation=5), PresentLists()) == "it was not seen since the present lists were made"

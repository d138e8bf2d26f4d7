"""What a phone holds, as far as what was seen of it tells. The rules of inference, with their reasons and doubts.

A phone asks who the signer of a trust list is if it fetched that list and does not know the signer. So:

1. A phone that asked for the signer of the present lists, and was told to trust it, installs the list: it holds the
   present lists, or later ones. *Doubts*: it may have been switched off between the answer and the write; a name can be
   claimed by any program on the network, unless it presented a certificate.
2. A phone that asked for that signer and was not told to trust it refuses the list, and keeps the one it has, until it
   asks again and is told otherwise.
3. A phone that did not ask for that signer tells nothing: it knows the signer from a list that it held before, or it
   has not fetched the lists yet. Its lists are unknown; that it was seen after the lists were made says only that it
   runs.
4. A phone of the inventory that was never seen tells nothing either: it may be switched off, gone, or content with the
   lists that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certstore.devices import Device


class Holding(StrEnum):
    """What a phone holds: a closed set."""

    PRESENT = "present"
    """The lists that are in place now."""
    REFUSED = "refused"
    """Earlier ones: it refused the present ones."""
    UNKNOWN = "unknown"
    NEVER_SEEN = "never seen"
    """It is in the inventory only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentLists:
    """The trust lists that phones find now.

    Attributes:
        signers: issuer name and serial number, hex, of each signer: of the CTL and of the ITL file, as requests name
            them. Empty without lists.
        generation: of the cluster that put the last of them in place; 0 if that is not known.
    """

    signers: frozenset[tuple[str, str]] = frozenset()
    generation: int = 0


def holding(device: Device, lists: PresentLists) -> Holding:
    """What a phone holds, by the rules above."""
    if not device.last:
        return Holding.NEVER_SEEN
    trusts = (device.signer_issuer, device.signer_serial) in lists.signers
    denied = (device.denied_issuer, device.denied_serial) in lists.signers
    if denied and not (trusts and device.signer_seen > device.denied_seen):
        return Holding.REFUSED
    return Holding.PRESENT if trusts else Holding.UNKNOWN


def reason(device: Device, lists: PresentLists) -> str:
    """Why that is thought, for people."""
    match holding(device, lists):
        case Holding.PRESENT:
            return "it asked for the signer of the present lists and was told to trust it"
        case Holding.REFUSED:
            return "it asked for the signer of the present lists and was not told to trust it"
        case Holding.NEVER_SEEN:
            return "it is in the inventory, and no node of the cluster has seen it"
        case _:
            seen = device.generation >= lists.generation > 0
            return (
                "it was seen with the present lists in place, and did not ask for their signer"
                if seen
                else "it was not seen since the present lists were made"
            )

"""What phones hold, by the lists that the cluster had and by what they asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.devices import Device
from certstore.generations import FormerList, StoredList
from tests.plan.situations import ctl, itl
from tvs.plan.evidence import Evidence, clue_of
from tvs.plan.history import DAY, epochs
from tvs.plan.holding import Holding
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site

HOUR, LONG = 3600.0, 2 * DAY
A, B, C = "CN=a", "CN=b", "CN=c"


@pytest.fixture(scope="module")
def signers(site: Site, stranger: KeyFileSigner) -> dict[str, KeyFileSigner]:
    """Three signers of the cluster's lists, one after the other."""
    return {A: site.call_manager, B: stranger, C: site.recovery}


def past(signers: dict[str, KeyFileSigner], site: Site, lists: Sequence[tuple[str, str, float]]) -> Evidence:
    """The evidence of a cluster that had these lists from generation 1 on, 10 generations apart, the oldest first.

    Args:
        signers: by name.
        site: with the TVS certificate of the ITL file.
        lists: signer of both, further signer that they know or nothing, age in seconds.
    """
    former, present = [], {}
    for number, (signer, also, age) in enumerate(lists):
        sast = [signers[also].certificate] if also else []
        found = {CTL_NAME: ctl(signers[signer]), ITL_NAME: itl(signers[signer], site.tvs.certificate, *sast)}
        generation = 1 + 10 * number
        if number < len(lists) - 1:
            former += [FormerList(name=name, generation=generation, data=data, age=age) for name, data in found.items()]
        else:
            present = {name: StoredList(generation=generation, data=data) for name, data in found.items()}
    return Evidence(epochs(present, former[::-1]))


def asked(signer: KeyFileSigner, generation: int, *, trusted: bool = True, time: int = 20, **more: object) -> Device:
    """A phone that asked for a signer, as the record has it."""
    prefix = "signer" if trusted else "denied"
    found = Certificate.from_der(signer.certificate)
    fields = {
        f"{prefix}_issuer": found.issuer_name,
        f"{prefix}_serial": found.serial_number.hex().upper(),
        f"{prefix}_seen": time,
        f"{prefix}_generation": generation,
    }
    return Device("SEP000000000001", **{"model": "CP-8861", "last": 20, "requests": 1, **fields, **more})  # type: ignore[arg-type] # as a device has them


def names(evidence: Evidence, device: Device) -> list[str]:
    """The lists that a phone may hold, the latest first."""
    possible = evidence.possible(clue_of(device))
    return [] if possible is None else [lists.ctl_name for lists in possible.lists]


PRESENT, FIRST, SECOND = "CTLFile.tlv", "CTLFile.tlv of generation 1", "CTLFile.tlv of generation 11"


def test_a_phone_that_asked_for_the_present_signer(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """It holds the present lists; one that was told so with earlier lists must ask again, and has not."""
    evidence = past(signers, site, [(A, "", HOUR), (B, "", 0)])
    assert evidence.holding(asked(signers[B], 11)) is Holding.PRESENT
    assert names(evidence, asked(signers[B], 11)) == [PRESENT]
    assert evidence.holding(asked(signers[A], 1)) is Holding.EARLIER
    assert names(evidence, asked(signers[A], 5)) == [FIRST]


def test_a_phone_that_needs_not_ask(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """It holds one or the other, until a day has passed; then it has fetched the present ones."""
    for age, held in ((HOUR, [PRESENT, FIRST]), (LONG, [PRESENT])):
        evidence = past(signers, site, [(A, B, age), (B, "", 0)])
        assert names(evidence, asked(signers[A], 1)) == held
        assert evidence.holding(asked(signers[A], 1)) is (Holding.KNOWN if len(held) > 1 else Holding.PRESENT)


def test_a_phone_that_was_off_for_long(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """It cannot have taken lists without asking for their signer, however long ago they came."""
    evidence = past(signers, site, [(A, "", 9 * DAY), (B, "", 2 * DAY), (B, C, 0)])
    assert names(evidence, asked(signers[A], 1)) == [FIRST]
    assert names(evidence, asked(signers[B], 11)) == [PRESENT]


def test_ways_through_several_lists(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """Of three lists without a question in between, a phone holds any of the last day."""
    evidence = past(signers, site, [(A, B, HOUR), (B, C, HOUR), (C, "", 0)])
    assert names(evidence, asked(signers[A], 1)) == [PRESENT, SECOND, FIRST]
    evidence = past(signers, site, [(A, B, LONG), (B, C, HOUR), (C, "", 0)])
    assert names(evidence, asked(signers[A], 1)) == [PRESENT, SECOND, FIRST], "the second ones came an hour ago"
    assert evidence.holding(asked(signers[A], 1)) is Holding.KNOWN


def test_a_phone_that_refused(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """It holds what it held, as far as that is known; told otherwise later, it holds the present ones."""
    evidence = past(signers, site, [(A, "", LONG), (B, "", 0)])
    denied = asked(signers[B], 11, trusted=False)
    assert evidence.holding(denied) is Holding.REFUSED
    assert names(evidence, denied) == [FIRST]
    first = asked(signers[A], 1, time=10)
    both = first._replace(denied_issuer=denied.denied_issuer, denied_serial=denied.denied_serial, denied_seen=20)
    assert evidence.holding(both._replace(denied_generation=11)) is Holding.REFUSED
    again = asked(signers[B], 11, time=21)._replace(
        denied_issuer=denied.denied_issuer, denied_serial=denied.denied_serial, denied_seen=20, denied_generation=11
    )
    assert evidence.holding(again) is Holding.PRESENT
    assert evidence.holding(again._replace(denied_seen=21)) is Holding.REFUSED, "in doubt it refused"


def test_a_refusal_tells_what_was_held(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """A phone that did not know the signer of the second lists had not taken those that know it."""
    evidence = past(signers, site, [(A, "", LONG), (A, C, LONG), (C, "", LONG), (C, B, 0)])
    possible = evidence.possible(clue_of(asked(signers[C], 21, trusted=False)))
    assert possible is not None
    assert not possible.whole
    assert [lists.itl_name for lists in possible.lists] == ["ITLFile.tlv of generation 1"]


@pytest.mark.parametrize("generation", [0, 1])
def test_what_is_not_known(site: Site, signers: dict[str, KeyFileSigner], generation: int) -> None:
    """Phones without a question for a signer, with one for a stranger, and phones of the inventory."""
    evidence = past(signers, site, [(A, "", HOUR), (A, B, 0)])
    nothing = Device("SEP000000000001", model="CP-8861", last=20, requests=1, generation=generation)
    assert evidence.holding(nothing) is Holding.UNKNOWN
    assert evidence.possible(clue_of(nothing)) is None
    assert evidence.holding(asked(signers[B], generation)) is Holding.UNKNOWN
    assert evidence.holding(asked(signers[C], generation, trusted=False)) is Holding.UNKNOWN
    assert evidence.holding(nothing._replace(last=0, listed=5)) is Holding.NEVER_SEEN
    assert Evidence(()).holding(asked(signers[A], generation)) is Holding.UNKNOWN


def test_an_unknown_generation(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """A node that did not know the cluster's generation: the lists of every time with that signer."""
    evidence = past(signers, site, [(A, "", HOUR), (B, "", HOUR), (A, C, 0)])
    possible = evidence.possible(clue_of(asked(signers[A], 0)))
    assert possible is not None
    assert [lists.itl_name for lists in possible.lists] == ["ITLFile.tlv", "ITLFile.tlv of generation 1"]


def test_lists_that_are_not_kept(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """Of twelve lists and the present one only those are told apart of which both files are there."""
    many = [(A, "", HOUR)] * 13
    evidence = past(signers, site, many)
    assert [epoch.generation for epoch in evidence.epochs] == [1 + 10 * number for number in range(13)]
    stored = {CTL_NAME: StoredList(generation=200, data=ctl(signers[A]))}
    former = [FormerList(name=CTL_NAME, generation=190 - number, data=b"?", age=1) for number in range(12)]
    former.append(FormerList(name=ITL_NAME, generation=3, data=b"?", age=1))
    assert [epoch.generation for epoch in epochs(stored, former)] == [*range(179, 191), 200]
    assert epochs({}, []) == ()


def test_a_deleted_list(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """Phones keep a list that was deleted."""
    first, second = ctl(signers[A]), itl(signers[A], site.tvs.certificate)
    former = [FormerList(name=CTL_NAME, generation=1, data=first, age=LONG)]
    stored = {CTL_NAME: StoredList(generation=2, data=None), ITL_NAME: StoredList(generation=1, data=second)}
    evidence = Evidence(epochs(stored, former))
    (lists,) = (evidence.possible(clue_of(asked(signers[A], 1))) or pytest.fail("nothing is known")).lists
    assert (lists.ctl, lists.itl) == (first, second)
    assert evidence.holding(asked(signers[A], 1)) is Holding.PRESENT, "there is nothing that it lacks"


def told(first: Device, second: Device) -> Device:
    """A phone that asked for the one signer, and for the other one later."""
    later = second._asdict().items()
    return first._replace(**{name: value for name, value in later if name.startswith(("signer_", "denied_")) and value})


def test_a_phone_that_took_the_itl_file_only(site: Site, signers: dict[str, KeyFileSigner]) -> None:
    """It was not told to trust the CTL file's signer, and then that of the ITL file: it keeps the CTL file before."""
    before = (ctl(signers[A]), itl(signers[A], site.tvs.certificate))
    former = [
        FormerList(name=name, generation=1, data=data, age=LONG)
        for name, data in zip((CTL_NAME, ITL_NAME), before, strict=True)
    ]
    denied, trusted = asked(signers[B], 2, trusted=False, time=20), asked(signers[C], 2, time=21)
    for known, holding in (([], Holding.REFUSED), ([signers[B].certificate], Holding.KNOWN)):
        present = {CTL_NAME: ctl(signers[B]), ITL_NAME: itl(signers[C], site.tvs.certificate, *known)}
        evidence = Evidence(
            epochs({name: StoredList(generation=2, data=data) for name, data in present.items()}, former)
        )
        phone = told(denied, trusted)
        lists = (evidence.possible(clue_of(phone)) or pytest.fail("nothing is known")).lists
        assert (before[0], present[ITL_NAME]) in [(one.ctl, one.itl) for one in lists]
        assert evidence.holding(phone) is holding
        assert evidence.possible(clue_of(phone._replace(denied_seen=21))) == evidence.possible(clue_of(phone)), (
            "in the same second, too: it asks for the CTL file's signer first"
        )
        again = told(denied, asked(signers[B], 2, time=22))
        assert evidence.holding(again) is Holding.PRESENT, "it was told to trust the CTL file's signer later"

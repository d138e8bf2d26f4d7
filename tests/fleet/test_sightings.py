"""What one record says of a phone, and how it is added to what was known."""

from __future__ import annotations

import pytest

from certstore.devices import Device, Standing, Unserved
from tests.fixtures.observed import TLS_1_2, answered, failed
from tvs.fleet.batches import NO_TLS
from tvs.fleet.names import identity
from tvs.fleet.sightings import added, merged, seen, turned_away

HTTPS = "CERT_VERIFICATION_REQ"


def phone(**fields: object) -> Device:
    """The phone of one query, seen by cucm-pub in generation 7."""
    return seen(answered(**fields), "cucm-pub", 7)  # type: ignore[arg-type] # as `answered` has them


@pytest.mark.parametrize(
    ("text", "name", "model"),
    [
        ("CP-8861-SEPB000B4BA0AEE", "SEPB000B4BA0AEE", "CP-8861"),
        ("SEPb000b4ba0aee", "SEPB000B4BA0AEE", ""),
        ("cp-8861-sepb000b4ba0aee", "SEPB000B4BA0AEE", "cp-8861"),
        ("Cisco-CP-7841-SEP000000000001", "SEP000000000001", "Cisco-CP-7841"),
        ("SEP12", "SEP12", ""),
        ("CSFalice", "CSFalice", ""),
        ("CP-8861", "CP-8861", ""),
    ],
)
def test_names(text: str, name: str, model: str) -> None:
    """A phone has one name, with its model in front or not, and whatever the case of its address."""
    assert identity(text) == (name, model)


def test_a_phone_that_is_told_to_trust_a_signer() -> None:
    """Everything that the record says, once."""
    assert phone(time=1000.9, device="CP-8861-SEP00000000000A", roles=(0, 21)) == Device(
        name="SEP00000000000A",
        model="CP-8861",
        node="cucm-pub",
        addresses="192.0.2.10",
        first=1000,
        last=1000,
        tls="TLSv1.2",
        cipher=TLS_1_2.cipher,
        certificate="none",
        generation=7,
        requests=1,
        refused=0,
        request="QUERY_CERT_REQ",
        subject="CN=signer",
        issuer="CN=issuer",
        serial="0A",
        result="trusted",
        source="db",
        roles="0 21",
        signer_issuer="CN=issuer",
        signer_serial="0A",
        signer_seen=1000,
        signer_generation=7,
        suites="C030 009D",
    )


@pytest.mark.parametrize("answer", [{"result": "not_found", "roles": ()}, {"roles": (2, 21)}], ids=str)
def test_a_phone_that_is_not(answer: dict[str, object]) -> None:
    """Not trusted, or trusted as something else than a signer of lists: the phone refuses the list."""
    device = phone(**answer)
    assert (device.denied_issuer, device.denied_serial, device.denied_seen) == ("CN=issuer", "0A", 1000)
    assert (device.signer_serial, device.signer_seen) == ("", 0)
    assert device.refused == ("result" in answer)


def test_a_question_about_a_server_says_nothing_of_signers() -> None:
    """The certificate of an HTTPS server is no signer, trusted or not."""
    for result in ("trusted", "not_found"):
        record = answered(result=result)
        device = seen(record._replace(question=record.question._replace(request=HTTPS)), "cucm-pub", 7)
        assert (device.signer_serial, device.denied_serial) == ("", "")
        assert (device.request, device.serial) == (HTTPS, "0A")


def test_later_sightings_are_added() -> None:
    """The last question counts; numbers and addresses add up; signers stay until the next one."""
    first = phone(time=1000, address="192.0.2.1")
    second = phone(time=2000, address="192.0.2.2", serial="0B", result="not_found", device="CP-7841-SEP000000000001")
    both = merged(merged(None, first), second)
    assert (both.first, both.last, both.requests, both.refused) == (1000, 2000, 2, 1)
    assert (both.addresses, both.model) == ("192.0.2.2 192.0.2.1", "CP-7841")
    assert (both.serial, both.result) == ("0B", "not_found")
    other = merged(both, phone(time=3000, tls=TLS_1_2._replace(suites="0035")))
    assert (first.suites, both.suites, other.suites) == (TLS_1_2.suites, TLS_1_2.suites, "0035")
    assert (both.signer_serial, both.signer_seen, both.denied_serial, both.denied_seen) == ("0A", 1000, "0B", 2000)
    third = merged(both, phone(time=3000, address="192.0.2.1", serial="0B"))
    assert (third.addresses, third.model) == ("192.0.2.1 192.0.2.2", "CP-7841")
    assert (third.signer_serial, third.denied_serial) == ("0B", "0B")
    many = third
    for number in range(10):
        many = merged(many, phone(time=4000, address=f"198.51.100.{number}"))
    assert many.addresses == "198.51.100.9 198.51.100.8 198.51.100.7 198.51.100.6"


def test_an_inventory_and_a_sighting_in_both_orders() -> None:
    """What was seen and what is listed do not overwrite each other."""
    listed = Device("SEP000000000001", model="CP-8861", description="Lobby", listed=5)
    sighting = phone()
    for device in (merged(listed, sighting), merged(sighting, listed)):
        assert (device.description, device.listed, device.model) == ("Lobby", 5, "CP-8861")
        assert (device.first, device.last, device.node) == (1000, 1000, "cucm-pub")
        assert (device.addresses, device.signer_serial) == ("192.0.2.10", "0A")
    relisted = merged(merged(sighting, listed), listed._replace(description="Hall", listed=9))
    assert (relisted.description, relisted.listed, relisted.requests) == ("Hall", 9, 1)


def test_sightings_in_another_order() -> None:
    """Of two workers the later batch can have the earlier question: the last one counts."""
    device = merged(phone(time=2001, address="192.0.2.2"), phone(time=2000, address="192.0.2.1", serial="0B"))
    assert (device.first, device.last) == (2000, 2001)
    assert (device.serial, device.signer_serial, device.addresses) == ("0A", "0A", "192.0.2.2 192.0.2.1")


def test_clocks_that_go_back() -> None:
    """The first and last time of a phone span all of them; what came later was seen later."""
    device = merged(phone(time=2000, address="192.0.2.2"), phone(time=1000, address="192.0.2.1", serial="0B"))
    assert (device.first, device.last) == (1000, 2000)
    assert (device.serial, device.signer_serial, device.addresses) == ("0B", "0B", "192.0.2.1 192.0.2.2")


def test_a_signer_and_a_server_in_another_order() -> None:
    """The question about a server that one worker answered does not hide a signer that another one was asked for."""
    first = phone(time=1000)
    server = answered(time=2001)
    later = merged(first, seen(server._replace(question=server.question._replace(request=HTTPS)), "cucm-pub", 7))
    told = merged(later, phone(time=2000, serial="0B"))
    assert (told.signer_serial, told.signer_seen, told.request) == ("0B", 2000, HTTPS)
    refused = merged(later, phone(time=2000, serial="0B", result="not_found"))
    assert (Standing.of(refused), refused.denied_serial, refused.signer_serial) == (Standing.DENIED, "0B", "0A")


def test_what_was_told_last_by_a_clock_that_was_set_back() -> None:
    """A refusal counts though its time is the earlier one, and so does the answer 'trusted' after it."""
    trusted = phone(time=5000)
    denied = merged(trusted, phone(time=1000, serial="0B", result="not_found"))
    assert (Standing.of(denied), denied.signer_seen) == (Standing.DENIED, 5000)
    assert Standing.of(merged(denied, phone(time=1100, serial="0B", result="not_found"))) is Standing.DENIED
    assert Standing.of(merged(denied, phone(time=1100, serial="0B"))) is Standing.TRUSTING
    waiting = merged(phone(time=1000), phone(time=1005, serial="0B", result="not_found"))
    assert Standing.of(merged(trusted, waiting)) is Standing.DENIED, "both since the last batch"
    waiting = merged(phone(time=1000, result="not_found"), phone(time=1005))
    assert Standing.of(merged(denied, waiting)) is Standing.TRUSTING


def test_what_was_told_last_by_clocks_of_two_nodes() -> None:
    """In doubt a phone was not told to trust; what it was told stays if it is told so once more."""
    trusted, denied = phone(time=5000), phone(time=5000, result="not_found")
    assert (
        Standing.of(merged(trusted, phone(time=1000, result="not_found")._replace(node="cucm-sub"))) is Standing.DENIED
    )
    assert Standing.of(merged(denied, phone(time=1000)._replace(node="cucm-sub"))) is Standing.DENIED
    assert Standing.of(merged(denied, phone(time=5003)._replace(node="cucm-sub"))) is Standing.TRUSTING
    again = merged(phone(time=4000, result="not_found"), trusted)
    assert Standing.of(merged(again, phone(time=1000)._replace(node="cucm-sub"))) is Standing.TRUSTING


def test_addresses_that_are_turned_away() -> None:
    """They add up, and what was offered once stays known."""
    offer = NO_TLS._replace(suites="0035 002F")
    first = turned_away(failed(reason="unsupported_version", version="TLSv1", tls=offer), "cucm-pub")
    assert first == Unserved("192.0.2.20", "cucm-pub", 1000, 1000, "unsupported_version", "TLSv1", 1, "0035 002F")
    second = turned_away(failed(time=2000, reason="alert"), "cucm-sub")
    assert added(added(None, first), second) == first._replace(node="cucm-sub", last=2000, reason="alert", failures=2)

"""Harness of trust lists: parsed, serialised, verified, indexed and reported."""

from __future__ import annotations

import json

from ctlcache.listindex import index_of
from ctlcache.model import TrustList, UnsignedList
from ctlcache.report import report
from ctlcache.reportjson import report_json
from ctlcache.trustlist import parse_trust_list, serialise, signed_bytes
from ctlcache.verification import verify
from proto.errors import RemoteProtocolError
from proto.text import text_from_bytes
from tests.fuzz.harness import Harness
from tests.fuzz.mutators import mutate_trust_list
from tests.fuzz.reference.trustlist import read_list


def _parsed(data: bytes) -> TrustList | None:
    try:
        return parse_trust_list(data)
    except RemoteProtocolError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(data)
        return None


def one(data: bytes) -> None:
    trust_list = _parsed(data)
    expected = read_list(data)
    assert (trust_list is None) is (expected is None), (trust_list, expected)
    verification = verify(data)
    text = report(data, kind="CTL", modified=0.0)
    facts = report_json(data, kind="ITL", modified=0.0)
    assert verification.ok is text.ok is facts["ok"]
    assert len(text.text) <= 4000 + 80 * len(data)
    assert json.loads(json.dumps(facts)) == facts
    if trust_list is None or expected is None:
        assert not verification.ok
        return
    _agree(trust_list, expected)
    assert serialise(trust_list) == data
    _signed(trust_list, data)
    _indexed(trust_list)
    verify(UnsignedList(data))


def _agree(trust_list: TrustList, expected: dict[str, object]) -> None:
    header, fields = trust_list.header, expected["header"]
    assert isinstance(fields, dict)
    assert header.signer_name == text_from_bytes(fields[4])
    assert header.serial_number == fields[5]
    assert header.ca_name == text_from_bytes(fields[6])
    assert (header.digest, header.signature_algorithm, header.signature_modulus) == (
        fields[8][0],
        fields[10][0],
        fields[11][0],
    )
    assert header.signature == fields.get(12, b"")
    assert header.timestamp == (int.from_bytes(fields[15]) if 15 in fields else None)
    items = [[(element.tag, element.value) for element in record.elements] for record in trust_list.records]
    assert items == expected["records"]


def _signed(trust_list: TrustList, data: bytes) -> None:
    signature = trust_list.header.signature
    present = any(element.tag == 12 for element in trust_list.header.elements)
    assert len(signed_bytes(trust_list)) == len(data) - (3 + len(signature) if present else 0)


def _indexed(trust_list: TrustList) -> None:
    """Each identity of the list is found in its index, with a certificate and roles of its records, or is left out."""
    loaded = index_of(trust_list, 86_400)
    certified = [record for record in trust_list.records if record.certificate is not None]
    assert len(loaded.keys) == len(certified)
    for record in certified:
        entry = loaded.index.find(record.serial_number, record.issuer_name)
        assert entry is not None or loaded.left_out
        if entry is not None:
            assert entry.certificate in {other.certificate for other in certified}
            assert set(entry.roles) <= {other.function for other in certified}


TRUSTLIST = Harness(
    name="trustlist",
    invariant="Any bytes are a list for both readers or for none, with equal values; serialising gives them back.",
    one=one,
    parsers={
        "ctlcache.trustlist": 90,
        "ctlcache.elements": 90,
        "ctlcache.model": 80,
        "ctlcache.report": 80,
        "ctlcache.reportjson": 80,
        "ctlcache.listindex": 80,
        "ctlcache.verification": 60,
    },
    mutate=mutate_trust_list,
)

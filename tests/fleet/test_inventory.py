"""Inventories of phones, as reports and spreadsheets write them, and files that are none."""

from __future__ import annotations

from contextlib import suppress

import pytest

from certstore.devices import MAX_DEVICES, Device
from tvs.fleet.inventory import InventoryError, read_inventory


def phones(text: str | bytes) -> list[Device]:
    """The phones of an inventory."""
    return read_inventory(text if isinstance(text, bytes) else text.encode(), "phones.csv", 5)


LOBBY = Device("SEPB000B4BA0AEE", model="CP-8861", description="Lobby, left", listed=5)


@pytest.mark.parametrize(
    "text",
    [
        'Device Name,Description,Device Type\nSEPB000B4BA0AEE,"Lobby, left",Cisco 8861\n',
        '\ufeffDevice Type;x;DEVICE NAME;Description\r\nCisco 8861;;sepb000b4ba0aee;"Lobby, left"\r\n\r\n',
        "mac_address\tmodel\tdescription\nB0:00:B4:BA:0A:EE\tCP-8861-K9\tLobby, left",
        "\n\nName,Model,Description\nCP-8861-SEPB000B4BA0AEE,,'Lobby, left'".replace("'", '"'),
        'name,type,comment\nb000.b4ba.0aee,8861,"Lobby, left"',
    ],
)
def test_reports(text: str) -> None:
    """Columns are found by their heads, in any order, with any of three delimiters."""
    assert phones(text) == [LOBBY]


def test_a_list_of_names() -> None:
    """It needs no head."""
    assert phones("SEP000000000001\nSEP000000000002\n\nCSFalice\n") == [
        Device("SEP000000000001", listed=5),
        Device("SEP000000000002", listed=5),
        Device("CSFalice", listed=5),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(encoding: str) -> None:
    """Spreadsheets write other encodings than UTF-8."""
    assert phones("Name,Description\nSEP000000000001,Büro\n".encode(encoding))[0].description == "Büro"


def test_marks_that_end_no_line() -> None:
    """Spreadsheets of Windows write three dots as the byte that is a line's end in Latin 1; Unicode has more."""
    for mark in ("\x85", "\x0b", "\x0c", "\x1c", "\u2028"):
        text = f"Name,Description\nSEP000000000001,Lobby{mark}, left\nSEP000000000002,x\n"
        data = text.encode("latin-1") if mark == "\x85" else text.encode()
        assert [phone.name for phone in phones(data)] == ["SEP000000000001", "SEP000000000002"]
    assert [phone.name for phone in phones("Name\rSEP000000000001\rSEP000000000002")] == [
        "SEP000000000001",
        "SEP000000000002",
    ]


def test_a_phone_that_stands_twice() -> None:
    """The last line counts."""
    assert phones("Name,Description\nSEP000000000001,a\nSEP000000000001,b\n") == [
        Device("SEP000000000001", description="b", listed=5)
    ]


def test_products_that_are_no_phones() -> None:
    """A model that is no number of a phone is not known."""
    assert [phone.model for phone in phones("Name,Model\nCSFa,Cisco Unified Client Services Framework\nx,ATA 191")] == [
        "",
        "",
    ]


@pytest.mark.parametrize("product", ["Cisco 7960", "CP-7960G", "7960G", "Cisco 7960G", "Cisco Unified IP Phone 7960G"])
def test_names_of_a_model(product: str) -> None:
    """A 7960 is one under each of its names: it asks no TVS server, and plans must know."""
    assert phones(f"Name,Model\nSEP000000000001,{product}\n") == [Device("SEP000000000001", model="CP-7960", listed=5)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "phones.csv: there is no line"),
        ("\n \n,,\n", "phones.csv: there is no line"),
        ("Description,Model\na,b", "phones.csv: line 1 names no column of phones: one must be Device Name"),
        ("two words\n", "phones.csv: line 1 names no column of phones"),
        ("Name\n", "phones.csv: there is no phone below the line"),
        ("Name,Model\nSEP1,x\n,CP-8861\n", "phones.csv: line 3: '' is not a phone's name, such as SEPB000B4BA0AEE"),
        ("Name\na b\n", "phones.csv: line 2: 'a b' is not a phone's name"),
        (f"Name\n{'x' * 65}\n", "phones.csv: line 2: 'xxx"),
        ("Name\nSEP\x1b[2J\n", "phones.csv: line 2: "),
        ("Name\n" + "x" * 200_000, "phones.csv: line 2: "),
        ('Name,Description\nSEP1,"' + "x" * 200_000 + '"', "phones.csv: line 2: field larger than field limit"),
        ("Name\n" + "\n".join(f"SEP{number:012X}" for number in range(MAX_DEVICES + 1)), "has more than 200000 phones"),
    ],
    ids=range(12),
)
def test_files_that_are_none(text: str, sentence: str) -> None:
    """The sentence says where, and what it should be; no control character of the file is in it."""
    with pytest.raises(InventoryError) as caught:
        phones(text)
    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_bytes() -> None:
    """Any bytes are an inventory or an error; no name has a control character."""
    for data in (bytes(range(256)), b"\xff\xfe\x00", b"\0" * 1000, b"Name\n\x00\n", b'"', b'Name\n"\n', b"Name\n\x9b"):
        with suppress(InventoryError):
            assert all(phone.name.isprintable() for phone in phones(data))

"""Trust lists read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.trustlist import MAX_SIZE
from tvs.client.lists import TrustListError, read_signed_list, read_trust_list

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.trustlist import TrustList

    Reader = Callable[[Path], TrustList | None]

READERS = pytest.mark.parametrize("read", [read_trust_list, read_signed_list])


@READERS
def test_list_of_the_guide_is_read(read: Reader, tokenless: bytes, tmp_path: Path) -> None:
    """A good list comes with its records."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless)
    trust_list = read(path)
    assert trust_list is not None
    assert trust_list.header.serial_number.hex().upper() == "70CAF64E090751B9DF22F49F754FC5BB"
    assert len(trust_list.records) == 4


@READERS
@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x82\x01\x00", b"junk"])
def test_other_file_is_none(read: Reader, data: bytes, tmp_path: Path) -> None:
    """A file that does not start as a list does is not an error: it may hold certificates."""
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read(path) is None


@READERS
def test_unusable_list_is_named_in_a_sentence(read: Reader, tokenless: bytes, tmp_path: Path) -> None:
    """A file that is missing, cut off or larger than any list is an error that names the file and the fault."""
    path = tmp_path / "CTLFile.tlv"
    with pytest.raises(TrustListError, match=r"CTLFile\.tlv: cannot be read: No such file or directory$"):
        read(path)
    for data in (tokenless[:-1], tokenless + bytes([1]) * MAX_SIZE):
        path.write_bytes(data)
        with pytest.raises(TrustListError, match=r"CTLFile\.tlv: is a damaged trust list: "):
            read(path)


def test_signature_is_verified_on_demand(tokenless: bytes, tmp_path: Path) -> None:
    """A list with an altered record is read, but not as a signed list."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless.replace(b"cucm-1051-a-sub1\0", b"cucm-1051-a-sub2\0"))
    assert read_trust_list(path) is not None
    with pytest.raises(TrustListError, match=r"CTLFile\.tlv: .*signature"):
        read_signed_list(path)

"""Names that administrators type, looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.errors import NotFound
from certstore.purposes import Purpose
from tvs.errors import StateError
from tvs.manage.lookup import find_entry, last_request, read_one_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator


def test_certificates_by_name(admin: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """A name alone if one unit only has it, whatever its case; else the unit before it."""
    file = tmp_path / "stranger.cer"
    file.write_bytes(stranger.certificate)
    for unit in ("Phone-trust", "Phone-SAST-trust"):
        admin.does("set", "cert", "import", "trust", unit, file)
    with admin.store() as store:
        for name in ("CallManager", "callmanager.pem", "CallManager/CallManager", "callmanager/CallManager.pem"):
            assert find_entry(store, name, own=True).unit is Purpose.CallManager
        assert find_entry(store, "Phone-trust/stranger", own=False).unit is Purpose.Phone_trust
        with pytest.raises(NotFound, match=r"Phone-SAST-trust/stranger.pem, Phone-trust/stranger.pem"):
            find_entry(store, "stranger", own=False)
        with pytest.raises(NotFound, match="see: tvs show cert list trust"):
            find_entry(store, "CallManager", own=False)
        with pytest.raises(ValueError, match="there is no certificate unit"):
            find_entry(store, "CallMonger/x", own=True)


def test_one_certificate_in_a_file(admin: Administrator, tmp_path: Path) -> None:
    """A node's own certificate comes alone."""
    one, two = (admin.does("show", "cert", "own", unit, "--pem").out for unit in ("TVS", "CallManager"))
    (tmp_path / "one.pem").write_text(one)
    (tmp_path / "two.pem").write_text(one + two)
    assert read_one_certificate(tmp_path / "one.pem") == admin.situation().own(Purpose.TVS)
    with pytest.raises(StateError, match="holds 2 certificates; give the node's own alone"):
        read_one_certificate(tmp_path / "two.pem")


def test_the_last_request(admin: Administrator) -> None:
    """Each unit has its own; before the first, the sentence says how to make one."""
    with pytest.raises(StateError, match="make one with: tvs set csr gen TVS"):
        last_request(admin.state, Purpose.TVS)
    requests = [admin.does("set", "csr", "gen", "TVS").out for _ in range(2)]
    assert requests[0] != requests[1]
    assert last_request(admin.state, Purpose.TVS) == requests[1]
    with pytest.raises(StateError, match="tvs set csr gen CAPF"):
        last_request(admin.state, Purpose.CAPF)

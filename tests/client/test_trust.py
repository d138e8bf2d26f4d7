"""Trust in servers, from trust lists and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from proto.roles import TrustRole
from tests.fixtures.tls import identity
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner


@pytest.fixture
def itl(publisher: KeyFileSigner, tmp_path: Path) -> Callable[..., Path]:
    """Makes a list of the publisher's with records of these roles and certificates."""

    def make(*records: tuple[TrustRole, bytes]) -> Path:
        entries = [ListEntry(role=TrustRole.SAST, certificate=publisher.certificate, dns_name="pub")]
        entries += [ListEntry(role=role, certificate=der, dns_name="node") for role, der in records]
        path = tmp_path / "list.tlv"
        path.write_bytes(build_trust_list(entries, publisher, timestamp=1, file_name="ITLFile.tlv"))
        return path

    return make


def der_of(name: str) -> bytes:
    """The certificate of a server with a P-256 key."""
    return identity(name, KeyType.P256).certificate.public_bytes(Encoding.DER)


def test_tvs_records_of_a_list_are_trusted(itl: Callable[..., Path]) -> None:
    """Of a list with TVS records their certificates are trusted, byte for byte, and no others."""
    path = itl((TrustRole.TVS, der_of("one")), (TrustRole.TVS, der_of("two")), (TrustRole.CCM_TFTP, der_of("tftp")))
    trust = ServerTrust.from_file(path)
    assert trust.certificates == {der_of("one"), der_of("two")}
    assert trust.source == str(path)
    trust.check([identity("one", KeyType.P256).certificate])
    with pytest.raises(UntrustedServer) as caught:
        trust.check([identity("tftp", KeyType.P256).certificate])
    assert str(caught.value) == (
        f"the server's certificate (CN=tftp) is not in {path}; if it was changed: tvs utils itl update, then "
        "reload the service; else give the list that its phones fetch"
    )
    assert isinstance(caught.value, NoAnswer)


def test_list_without_tvs_records_vouches_for_its_servers(itl: Callable[..., Path]) -> None:
    """Of a CTL, which has no TVS records, the certificates of its CallManager and TFTP servers are trusted."""
    path = itl((TrustRole.CCM_TFTP, der_of("one")), (TrustRole.CCM, der_of("two")), (TrustRole.CAPF, der_of("capf")))
    assert ServerTrust.from_file(path).certificates == {der_of("one"), der_of("two")}


def test_list_without_servers_is_refused(itl: Callable[..., Path]) -> None:
    """A list that holds only signers vouches for no server."""
    with pytest.raises(ValueError, match=r"list\.tlv: holds no server's certificate"):
        ServerTrust.from_file(itl())


def test_unverified_list_is_refused(itl: Callable[..., Path]) -> None:
    """A list whose signature is not good is refused: anyone could have added a server."""
    path = itl((TrustRole.TVS, der_of("one")))
    path.write_bytes(path.read_bytes().replace(b"node\0", b"evil\0"))
    with pytest.raises(ValueError, match="signature"):
        ServerTrust.from_file(path)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_certificate_file_vouches_for_itself_and_what_it_issued(encoding: Encoding, tmp_path: Path) -> None:
    """A certificate file vouches for a server with this certificate, and for servers that it issued."""
    authority = identity("CA")
    path = tmp_path / "ca"
    path.write_bytes(authority.certificate.public_bytes(encoding))
    trust = ServerTrust.from_file(path)
    trust.check([authority.certificate])
    trust.check([identity("issued", issuer=authority).certificate])
    trust.check([identity("issued", issuer=authority).certificate, authority.certificate])
    for other in (identity("CA", KeyType.P256), identity("issued", KeyType.P256)):
        with pytest.raises(UntrustedServer, match="is not in"):
            trust.check([other.certificate, authority.certificate])


def test_intermediate_comes_with_the_server(tmp_path: Path) -> None:
    """An issuer between the trusted authority and the server may come in the server's chain."""
    root = identity("CA")
    middle = identity("middle", issuer=root, authority=True)
    path = tmp_path / "ca.pem"
    path.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    trust = ServerTrust.from_file(path)
    server = identity("below", issuer=middle)
    trust.check([server.certificate, middle.certificate])
    with pytest.raises(UntrustedServer):
        trust.check([server.certificate])


def test_several_certificates_in_one_file(tmp_path: Path) -> None:
    """Each certificate of a PEM file is trusted."""
    path = tmp_path / "servers.pem"
    both = [identity(name, KeyType.P256).certificate for name in ("one", "two")]
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in both))
    trust = ServerTrust.from_file(path)
    for certificate in both:
        trust.check([certificate])


def test_other_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    """A file of another kind, or a missing one, is an error that says what is expected."""
    path = tmp_path / "junk"
    with pytest.raises(ValueError, match="junk: cannot be read: No such file or directory"):
        ServerTrust.from_file(path)
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="--trust takes an ITL, a CTL, or certificates in PEM or DER"):
        ServerTrust.from_file(path)
    path.write_bytes(b"\x01\x00\x02\x01")
    with pytest.raises(ValueError, match="is a damaged trust list"):
        ServerTrust.from_file(path)


def test_anyone_is_trusted_only_on_demand() -> None:
    """Without certificates no server is trusted; `anyone` trusts all, for tests."""
    ServerTrust(anyone=True).check([identity().certificate])
    ServerTrust(anyone=True).check([])
    with pytest.raises(UntrustedServer, match=r"\(CN=tvs\) is not in the trust list"):
        ServerTrust().check([identity().certificate])
    with pytest.raises(UntrustedServer, match="the server showed no certificate"):
        ServerTrust().check([])

"""TLS credentials read from the state directory, and the sentences when they do not fit."""

from __future__ import annotations

import contextlib
import pickle
from dataclasses import replace
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certstore.certificate import CertificateError
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.der import common_name
from tests.fixtures.odd import KINDS
from tests.fixtures.tls import connected, identity
from tests.fixtures.worker import OWN
from tvs.errors import NoDatabase, StateError
from tvs.server.credentials import Credentials, read_credentials
from tvs.state import StateDirectory
from tvs.tls.profiles import ClientCertificates
from tvs.units import KeyType

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tvs.config.settings import Config

OTHER = identity("other", KeyType.P256)
DER = OWN.certificate.public_bytes(Encoding.DER)


def test_credentials_of_a_state_directory(config: Config) -> None:
    """The certificate and its key, with the certificate's end for the metrics; phones are shown them."""
    credentials = read_credentials(config)
    assert credentials.certificate == DER
    assert credentials.authorities == ()
    assert credentials.expiry == (("TVS", "TVS.pem", OWN.certificate.not_valid_after_utc.timestamp()),)
    phone, _ = connected(credentials.context(config))
    assert phone.peer_certificate == OWN.certificate


def test_credentials_travel_to_other_processes(config: Config) -> None:
    """Credentials can be sent to a worker, and never show the key."""
    credentials = read_credentials(config)
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301 - our own bytes
    assert repr(credentials.key) not in repr(credentials)
    assert "key=" not in repr(credentials)


def test_certificate_that_is_missing(config: Config, store: CertificateStore) -> None:
    """Without a TVS certificate the sentence says how to make one."""
    store.add_node(Node(name="pub", address="192.0.2.1", publisher=True))
    store.delete(Purpose.TVS, "TVS")
    with pytest.raises(StateError, match="holds no TVS certificate of this node; make one with: tvs init"):
        read_credentials(config)


def test_tables_without_rows(config: Config, store: CertificateStore) -> None:
    """A database without nodes and certificates was not restored whole: the sentence says to restore it."""
    store.delete(Purpose.TVS, "TVS")
    with pytest.raises(NoDatabase, match="its tables have no rows, as after a restore that did not end; restore a b"):
        read_credentials(config)


def test_key_that_is_missing(config: Config) -> None:
    """A certificate without its key cannot be shown."""
    for path in StateDirectory(config.state).keys.iterdir():
        path.unlink()
    with pytest.raises(StateError, match="key"):
        read_credentials(config)


def test_key_of_another_certificate(config: Config) -> None:
    """A key that does not belong to the certificate is refused before any phone meets it."""
    key = OTHER.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="does not belong to the certificate"):
        replace(read_credentials(config), key=key).context(config)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file or directory"), (b"not PEM", "holds no PEM certificates")],
)
def test_client_authorities_that_cannot_be_read(config: Config, content: bytes | None, sentence: str) -> None:
    """A client CA file that is missing or holds something else is named."""
    path = config.state / "client-ca.pem"
    if content is not None:
        path.write_bytes(content)
    wanted = replace(config, client_ca=path, client_certificates=ClientCertificates.REQUIRE)
    with pytest.raises(StateError, match=f"client-ca.pem: the client CA file {sentence}"):
        read_credentials(wanted)


def test_client_authorities(config: Config) -> None:
    """The CAs are read only if certificates of theirs are required."""
    path = config.state / "client-ca.pem"
    path.write_bytes(b"".join(of.certificate.public_bytes(Encoding.PEM) for of in (OWN, OTHER)))
    requested = replace(config, client_ca=path)
    required = replace(requested, client_certificates=ClientCertificates.REQUIRE)
    assert read_credentials(requested).authorities == ()
    assert read_credentials(required).authorities == (DER, OTHER.certificate.public_bytes(Encoding.DER))
    assert isinstance(read_credentials(required), Credentials)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_certificates_are_refused_with_a_sentence(kind: str, config: Config, store: CertificateStore) -> None:
    """A TVS certificate or client CA that OpenSSL or cryptography cannot use gives a sentence, and no other error."""
    der = KINDS[kind](common_name("odd CA"))
    path = config.state / "client-ca.pem"
    path.write_text(DER_cert_to_PEM_cert(der))
    wanted = replace(config, client_ca=path, client_certificates=ClientCertificates.REQUIRE)
    refusal = ""
    try:
        assert read_credentials(wanted).authorities == (der,)
    except StateError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith((f"{path}: the client CA file ", f"{config.state}: there is no TLS "))
    with contextlib.suppress(CertificateError):
        store.import_certificate(der, Purpose.TVS, replace=True)
    with contextlib.suppress(StateError):
        assert read_credentials(config).certificate in (der, DER)

"""Odd certificates imported as the service's own: each behaves as the table in docs/trust.md says."""

from __future__ import annotations

from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fixtures.der import authority, common_name
from tests.fixtures.odd import KINDS, documented, key_of
from tests.fixtures.tls import connected
from tvs.client.trust import ServerTrust
from tvs.config.settings import Config
from tvs.server.credentials import read_credentials

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")


SLOW = ("key: RSA 7470", "key: RSA 8676")
"""Kinds whose keys take half a minute to load, because large primes are proved to be such: tried by hand."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SLOW])
def test_own_certificates(kind: str, today: Administrator, tmp_path: Path) -> None:
    """What `tvs set cert import own TVS` takes, the service can show, and the list that it makes vouches for it."""
    word, sentence = own(today, kind, tmp_path)
    assert word == documented()[kind].own, sentence


def own(admin: Administrator, kind: str, folder: Path) -> tuple[str, str]:
    """Imports a certificate of that kind: ``yes``, ``no``, or ``-`` if nobody has its key; the refusal's sentence."""
    key = key_of(kind)
    if key is None:
        return "-", ""
    issuer = common_name(f"CA of {kind}")
    der = KINDS[kind](issuer)
    certificate, private = folder / "own.pem", folder / "own.key"
    certificate.write_text("".join(map(DER_cert_to_PEM_cert, (der, authority(issuer)))))
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = admin("set", "cert", "import", "own", "TVS", certificate, "--key", private, "--force")
    assert all(line.isprintable() for line in [*done.lines, *done.err.split("\n")])
    if done.status:
        assert done.status == 1
        assert done.err.startswith("tvs: ")
        return "no", done.err
    service = read_credentials(Config(state=admin.state.path)).context(Config(state=admin.state.path))
    phone, _ = connected(service)
    ServerTrust.from_file(admin.state.itl_file).check(phone.peer_chain)
    return "yes", ""

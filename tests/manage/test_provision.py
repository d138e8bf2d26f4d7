"""New state directories: names, keys, all of it or nothing."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certstore.purposes import Purpose
from ctlcache.digests import Digest
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tvs.cluster.situation import read_situation
from tvs.errors import StateError
from tvs.manage.provision import NewCluster, initialise, this_host
from tvs.units import NEEDED, KeyType


def test_a_new_cluster(tmp_path: Path) -> None:
    """A publisher in mixed mode, its four certificates with their keys, and verified lists; each step is reported."""
    steps: list[str] = []
    cluster = NewCluster(name="pub", address="192.0.2.10", organisation="O=Example", tvs_key=KeyType.P256)
    state = initialise(tmp_path / "deep" / "state", cluster, steps.append)
    assert steps == [
        "CallManager certificate (rsa2048)",
        "TVS certificate (p256)",
        "CAPF certificate (rsa2048)",
        "ITLRecovery certificate (rsa2048)",
        "trust lists",
    ]
    store = state.store()
    now = read_situation(state, store)
    store.close()
    assert now.mixed_mode
    assert (now.publisher.name, now.publisher.address) == ("pub", "192.0.2.10")
    for unit in NEEDED:
        certificate = x509.load_der_x509_certificate(now.require(unit))
        assert certificate.public_key() == state.private_key(unit).public_key()
        kind = ec.EllipticCurvePublicKey if unit is Purpose.TVS else rsa.RSAPublicKey
        assert isinstance(certificate.public_key(), kind)
    assert verify(now.ctl or b"").ok
    assert verify(now.itl or b"").ok
    recovery = x509.load_der_x509_certificate(now.require(Purpose.ITLRecovery))
    start, end = recovery.not_valid_before_utc, recovery.not_valid_after_utc
    assert (end.year, end.month) == (start.year + 20, start.month)
    assert (now.signer, now.digest) == (Purpose.ITLRecovery, Digest.SHA1), "every phone takes these lists"


@pytest.mark.parametrize(
    ("signer", "other", "ctl_sast"),
    [
        (Purpose.CallManager, Purpose.ITLRecovery, (Purpose.CallManager,)),
        (Purpose.ITLRecovery, Purpose.CallManager, (Purpose.ITLRecovery, Purpose.CallManager)),
    ],
)
def test_signer_and_digest_of_a_new_cluster(
    tmp_path: Path, signer: Purpose, other: Purpose, ctl_sast: tuple[Purpose, ...]
) -> None:
    """Both lists are signed by the chosen unit with the chosen digest; a CTL that ITLRecovery signs has two SASTs."""
    state = initialise(tmp_path / "state", NewCluster(name="pub", signer=signer, digest=Digest.SHA256))
    with closing(state.store()) as store:
        now = read_situation(state, store)
    assert (now.signer, now.digest) == (signer, Digest.SHA256)
    for data, sast in ((now.ctl, ctl_sast), (now.itl, (signer, other))):
        trust_list = parse_trust_list(data or b"")
        assert verify(trust_list).signer is trust_list.records[0]
        assert trust_list.header.digest == Digest.SHA256
        found = [record.certificate for record in trust_list.records if record.function == TrustRole.SAST]
        assert found == [now.own(unit) for unit in sast]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"name": "not a name"}, "is not a host name"),
        ({"name": "a" * 65}, "is not a host name"),
        ({"name": "a..b"}, "is not a host name"),
        ({"name": "pub", "address": "nowhere"}, "--address nowhere is not an IPv4 or IPv6 address"),
        ({"name": "pub", "organisation": "C=Poland"}, "--subject C=Poland: "),
    ],
)
def test_names_that_cannot_be(names: dict[str, str], sentence: str) -> None:
    """Names are checked before anything is made."""
    with pytest.raises(StateError, match=sentence):
        NewCluster(**names)  # type: ignore[arg-type] # of texts


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    """A directory with anything in it, and a file, are refused; an empty directory is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()
    for name in ("full", "file"):
        with pytest.raises(StateError, match="exists and is not empty; nothing was changed"):
            initialise(tmp_path / name, NewCluster(name="pub"))


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    """An empty directory stays what it was, a mount point or another user's, and gets all that a new one has."""
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o750)
    before = empty.stat()
    initialise(tmp_path / "new", NewCluster(name="pub"))
    state = initialise(empty, NewCluster(name="pub"))
    assert state.database.exists()
    assert (empty.stat().st_ino, empty.stat().st_mode) == (before.st_ino, before.st_mode)
    modes = [
        {str(path.relative_to(top)): path.stat().st_mode for path in top.rglob("*") if path.suffix != ".key"}
        for top in (tmp_path / "new", empty)
    ]
    assert modes[0] == modes[1]


def test_a_failure_leaves_an_empty_directory_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the last file cannot be moved to its place, nothing of the others stays there."""
    moved = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name == "tvs.db":
            raise OSError(5, "Input/output error")
        return moved(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(StateError, match="cannot be made: Input/output error"):
        initialise(tmp_path, NewCluster(name="pub"))
    assert list(tmp_path.iterdir()) == []


def test_all_or_nothing(tmp_path: Path) -> None:
    """A failure in the middle leaves nothing behind, not even under another name."""

    def fail(step: str) -> None:
        if step == "trust lists":
            raise OSError(28, "No space left on device")

    with pytest.raises(StateError, match="cannot be made: No space left on device"):
        initialise(tmp_path / "state", NewCluster(name="pub"), fail)
    assert list(tmp_path.iterdir()) == []


def test_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name, without its domain if it is too long for a certificate."""
    assert this_host() == socket.gethostname()[:64]
    monkeypatch.setattr(socket, "gethostname", lambda: "pub." + "x" * 61)
    assert this_host() == "pub"

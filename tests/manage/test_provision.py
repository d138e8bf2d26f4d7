"""New state directories: names, keys, all of it or nothing."""

from __future__ import annotations

import resource
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certstore.errors import StoreUnavailable
from certstore.purposes import Purpose
from ctlcache.digests import Digest
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.roles import TrustRole
from tests.fixtures.certificates import certificate
from tests.fixtures.stores import database, url
from tvs.cluster.situation import read_situation
from tvs.config.loading import ConfigError, load_config
from tvs.errors import StateError
from tvs.manage.provision import NewCluster, initialise, this_host
from tvs.state import StateDirectory
from tvs.units import NEEDED, KeyType

if TYPE_CHECKING:
    from tests.fixtures.stores import Database

__all__ = ["database", "url"]


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
        assert certificate.public_key() == state.private_key(unit, now.require(unit)).public_key()
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


# -- a database elsewhere ----------------------------------------------------------------------------------------------


def test_a_database_elsewhere(tmp_path: Path, database: Database, url: str) -> None:
    """The directory has keys, lists and settings that name the database; every opener finds the cluster there."""
    made = initialise(tmp_path / "state", NewCluster(name="pub"), store=url)
    state = StateDirectory(tmp_path / "state")
    assert state.store_name == made.store_name == url
    assert not state.database.exists()
    state.require()
    with state.opened() as store, closing(database.open()) as direct:
        assert read_situation(state, store).publisher.name == "pub"
        assert [entry.name for entry in direct.entries(own=True)] == [entry.name for entry in store.entries(own=True)]
        for unit in NEEDED:
            der = store.entry(unit, unit.value).certificate.der
            assert x509.load_der_x509_certificate(der).public_key() == state.private_key(unit, der).public_key()
    assert load_config({"state": str(state.path)}).store == url
    assert stat.S_IMODE((state.path / "tvs.toml").stat().st_mode) == 0o644
    assert database.problems() == []


def test_a_database_with_a_cluster(tmp_path: Path, url: str) -> None:
    """A database that has a cluster is left alone, and no directory is made; the sentence says what to do now."""
    state = initialise(tmp_path / "state", NewCluster(name="pub"), store=url)
    with state.opened() as store:
        before = (store.change_number(), store.nodes())
    with pytest.raises(StateError, match=r"has the cluster of pub already; .* Name another database with --store"):
        initialise(tmp_path / "second", NewCluster(name="pub2"), store=url)
    assert not (tmp_path / "second").exists()
    with state.opened() as store:
        assert (store.change_number(), store.nodes()) == before


def test_a_database_with_certificates(tmp_path: Path, database: Database, url: str) -> None:
    """A database without a cluster that has certificates is not taken for an empty one."""
    with closing(database.create()) as store:
        store.import_certificate(certificate(), Purpose.Phone_trust)
    with pytest.raises(StateError, match="has certificates already; nothing was changed"):
        initialise(tmp_path / "state", NewCluster(name="pub"), store=url)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize("step", ["CAPF certificate (rsa2048)", "trust lists"])
def test_a_failure_leaves_the_database_usable(
    tmp_path: Path, database: Database, url: str, step: str, *, exists: bool
) -> None:
    """A failure before and after the first row leaves neither a directory nor rows: the next try works."""
    path = tmp_path / "state"
    if exists:
        path.mkdir()

    def fail(now: str) -> None:
        if now == step:
            raise OSError(28, "No space left on device")

    with pytest.raises(StateError, match="cannot be made: No space left on device"):
        initialise(path, NewCluster(name="pub"), fail, store=url)
    assert (list(path.iterdir()) == []) if exists else not path.exists()
    with closing(database.open()) as store:
        assert (store.nodes(), store.entries(), store.change_number()) == ([], [], 0)
    initialise(path, NewCluster(name="pub"), store=url)
    StateDirectory(path).require()


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_a_commit_that_fails_takes_the_directory_back(tmp_path: Path, *, exists: bool) -> None:
    """The disk of the database is full at the commit: no directory stays without its cluster."""
    path, file = tmp_path / "state", tmp_path / "my.db"
    if exists:
        path.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_disk(step: str) -> None:
        if step == "trust lists":  # 20 KB; the commit writes more
            resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, before[1]))

    try:
        with pytest.raises(StoreUnavailable):
            initialise(path, NewCluster(name="pub"), fill_disk, store=f"sqlite://{file}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (list(path.iterdir()) == []) if exists else not path.exists()
    initialise(path, NewCluster(name="pub"), store=f"sqlite://{file}")
    StateDirectory(path).require()


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    """A database that cannot be made, and one that is not ours, are errors; no directory is made."""
    (tmp_path / "text").write_text("not a database" * 1000)
    for store in (f"sqlite://{tmp_path}/nowhere/my.db", f"sqlite://{tmp_path}/text"):
        with pytest.raises(StoreUnavailable):
            initialise(tmp_path / "state", NewCluster(name="pub"), store=store)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_database_in_the_directory_needs_no_name(tmp_path: Path) -> None:
    """A file in the new directory is refused: the directory would not be made in one step."""
    with pytest.raises(StateError, match=r"leave --store out: tvs\.db is made there"):
        initialise(tmp_path / "state", NewCluster(name="pub"), store=f"sqlite://{tmp_path}/state/my%2edb")
    assert list(tmp_path.iterdir()) == []


def test_what_a_state_directory_must_have(tmp_path: Path) -> None:
    """Its database, or keys beside settings that name a database elsewhere; the sentence says what is missing."""
    state = tmp_path / "state"
    with pytest.raises(StateError, match=f"{state} does not exist; make a state directory with: tvs init"):
        StateDirectory(state).require()
    state.mkdir()
    with pytest.raises(StateError, match=f"{state} holds no tvs.db; make a state directory with: tvs init"):
        StateDirectory(state).require()
    (state / "tvs.toml").write_text(f'store = "sqlite://{tmp_path}/my.db"\n')
    with pytest.raises(StateError, match=f"{state} holds no keys; make a state directory with: tvs init"):
        StateDirectory(state).require()
    (state / "keys").mkdir()
    StateDirectory(state).require()
    with pytest.raises(StoreUnavailable, match=r"my\.db: there is no database"):
        StateDirectory(state).store()
    (state / "tvs.toml").unlink()
    with pytest.raises(
        StateError, match=r"holds no tvs\.db; restore it from the backup, or say with store in tvs\.toml"
    ):
        StateDirectory(state).require()
    (state / "tvs.toml").write_text("store = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        StateDirectory(state).require()

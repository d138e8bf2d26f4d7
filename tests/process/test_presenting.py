"""The certificate that a rollover wants to be presented: said by the follower, followed by the supervisor."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.administrator import Administrator
from tests.process.site import Site
from tvs.cluster.rollover import ROLLOVER, print_of
from tvs.process.presenting import LAST_RETRY, NOT_PRESENTED, PATIENCE, Follows, Wanted
from tvs.system.board import Board

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.state import StateDirectory

NEXT = ("rollover", "TVS", "--next", "--held", "current")


@pytest.fixture
def site(state: StateDirectory, tmp_path: Path) -> Iterator[Site]:
    """A service with two workers that run."""
    made = Site(state, tmp_path / "log")
    yield made
    made.close()


@pytest.fixture
def admin(site: Site) -> Administrator:
    """The administrator of its cluster, with a rollover of TVS that is announced."""
    found = Administrator(site.state)
    found.does("rollover", "TVS")
    return found


def read(site: Site) -> None:
    """The follower reads the database."""
    with closing(site.state.store()) as store:
        Follows(site.wanted).read(store, store.nodes()[0].name)


def test_the_service_follows_and_goes_back(site: Site, admin: Administrator) -> None:
    """All workers get the other certificate with the settings in use, and the log says so when all have it."""
    moments = itertools.count(0.0, 2 * LAST_RETRY)
    present, config = site.reloader.fingerprint, site.current.config
    site.options = {"time_to_live": "60"}
    read(site)
    site.reloader.follow(next(moments))
    assert site.orders(0) == [], "announced: it presents what it should"
    for words in (NEXT, ("rollover", "TVS", "--abort")):
        admin.does(*words)
        own = print_of(admin.situation().require(Purpose.TVS))
        before = site.reloader.fingerprint
        assert before != own
        read(site)
        site.reloader.follow(next(moments))
        for number in (0, 1):
            (order,) = site.orders(number)
            assert (order.config, order.credentials.fingerprint) == (config, own)
        site.acknowledge(0)
        assert site.reloader.fingerprint == "", "one worker has not followed yet"
        site.acknowledge(1)
        assert site.reloader.fingerprint == own
        site.reloader.follow(next(moments))
        assert site.orders(0) == []
        assert site.lines()[-1] == f"info certificate_followed sha256={own}"
    assert site.reloader.fingerprint == present
    assert (site.told(), site.reloader.successful) == ([], True), "no reload, for the service manager"


def test_a_certificate_that_no_rollover_names(site: Site) -> None:
    """A regenerated certificate waits for a reload, as ever."""
    before = site.reloader.fingerprint
    Administrator(site.state).does("set", "cert", "regen", "TVS", "-y", "--force")
    read(site)
    site.reloader.follow(0.0)
    assert site.orders(0) == []
    site.reloader.begin()
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.reloader.fingerprint != before
    assert site.lines() == ["info reloaded"]


def test_a_service_that_was_not_reloaded_before(site: Site) -> None:
    """One that presents a third certificate follows when the next one is presented, and not before."""
    admin = Administrator(site.state)
    third = site.reloader.fingerprint
    admin.does("set", "cert", "regen", "TVS", "-y", "--force")
    admin.does("rollover", "TVS", "--held", "current")
    read(site)
    site.reloader.follow(0.0)
    assert (site.orders(0), site.reloader.fingerprint) == ([], third)
    admin.does(*NEXT)
    read(site)
    site.reloader.follow(2 * LAST_RETRY)
    assert len(site.orders(0)) == 1


def test_a_key_that_is_missing(site: Site, admin: Administrator) -> None:
    """The old certificate stays in use, the log says why once, and it is tried again."""
    admin.does(*NEXT)
    own = admin.situation().require(Purpose.TVS)
    keys = {path.name: path.read_bytes() for path in site.state.keys.glob("TVS-*.key")}
    for name in keys:
        (site.state.keys / name).unlink()
    before = site.reloader.fingerprint
    read(site)
    for number in range(3):
        site.reloader.follow(number * 2 * LAST_RETRY)
        site.reloader.follow(number * 2 * LAST_RETRY)
    assert [line.partition(" problem=")[0] for line in site.lines()] == ["error certificate_not_followed"]
    assert (site.orders(0), site.reloader.fingerprint, site.reloader.successful) == ([], before, True)
    for name, data in keys.items():
        (site.state.keys / name).write_bytes(data)
        (site.state.keys / name).chmod(0o600)
    site.reloader.follow(10 * LAST_RETRY)
    site.acknowledge(0)
    site.acknowledge(1, "no room")
    assert site.reloader.fingerprint == "", "one worker presents it, the other one that of before"
    assert 'problem="worker 1: no room"' in site.lines()[-1]
    site.reloader.follow(20 * LAST_RETRY)
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.reloader.fingerprint == print_of(own)


@pytest.mark.parametrize("order", ["followed", "reload"])
def test_workers_that_present_different_ones(site: Site, admin: Administrator, order: str) -> None:
    """After a stage that not all workers have followed, the way back is followed, and not confirmed before."""
    admin.does(*NEXT)
    read(site)
    if order == "followed":
        site.reloader.follow(0.0)
    else:
        site.reloader.begin()
    following = site.current.credentials.fingerprint
    assert not follows(site).look(site.reloader.fingerprint, 0.0), "none has carried the order out"
    site.acknowledge(0)
    site.acknowledge(1, "no file descriptor was left")
    assert [len(site.orders(number)) for number in (0, 1)] == [1, 1]
    admin.does("rollover", "TVS", "--abort")
    read(site)
    assert not follows(site).look(site.reloader.fingerprint, 0.0)
    site.reloader.follow(2 * LAST_RETRY)
    for number in (0, 1):
        (back,) = site.orders(number)
        assert back.credentials.fingerprint != following
        site.acknowledge(number)
    assert site.reloader.fingerprint == print_of(admin.situation().require(Purpose.TVS))
    assert follows(site).look(site.reloader.fingerprint, 0.0)


def follows(site: Site) -> Follows:
    """The follower, after it has read."""
    return Follows(site.wanted)


def test_a_reload_meanwhile(site: Site, admin: Administrator) -> None:
    """A reload waits for the end of the other change, and the other way round."""
    admin.does(*NEXT)
    read(site)
    site.reloader.follow(0.0)
    site.reloader.begin()
    assert site.told() == []
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1"]
    site.reloader.follow(2 * LAST_RETRY)
    assert len(site.orders(0)) == 2
    site.acknowledge(0)
    site.acknowledge(1)
    assert site.told() == ["RELOADING=1", "READY=1"]


def test_the_database_went_on(site: Site, admin: Administrator) -> None:
    """What the follower has read is not done if the database says otherwise by then."""
    admin.does(*NEXT)
    read(site)
    admin.does("rollover", "TVS", "--abort")
    site.reloader.follow(0.0)
    assert (site.orders(0), site.lines()) == ([], [])
    read(site)
    site.reloader.follow(2 * LAST_RETRY)
    assert (site.orders(0), site.lines()) == ([], [])


# -- the follower's side -----------------------------------------------------------------------------------------------


def test_what_is_wanted(site: Site, admin: Administrator) -> None:
    """The own certificate in place of the other one of its pair, also when the rollover has ended; else nothing.

    A later rollover of a signer does not change that. One that is restored, or regenerated, waits for a reload.
    """
    old = print_of(admin.situation().require(Purpose.TVS))
    new = print_of(admin.situation().rolled[admin.situation().require(Purpose.TVS)])
    for words, wanted in (
        ((), Wanted(old, new)),
        (NEXT, Wanted(new)),
        (NEXT, Wanted(new, old)),
        (("rollover", "ITLRecovery"), Wanted(new, old)),
        (("rollover", "ITLRecovery", "--abort"), Wanted(new, old)),
        (("rollover", "CallManager"), Wanted(new, old)),
        (("rollover", "CallManager", "--abort"), Wanted(new, old)),
        (("set", "cert", "restore", "TVS", "-y", "--force"), Wanted()),
        (("set", "cert", "regen", "TVS", "-y", "--force"), Wanted()),
    ):
        if words:
            admin.does(*words)
        read(site)
        assert Wanted.on(site.wanted) == wanted
    for text in ("{", ""):
        with admin.store() as store:
            store.set_parameter(ROLLOVER, text)
        read(site)
        assert Wanted.on(site.wanted) == Wanted()


def test_whether_it_is_done(site: Site, admin: Administrator) -> None:
    """A service that presents the other certificate is behind, and a problem of its node after a while."""
    board = Board()
    follows = Follows(board)
    assert follows.look("", 0.0)
    admin.does(*NEXT)
    with admin.store() as store:
        follows.read(store, store.nodes()[0].name)
    wanted, old = Wanted.on(board), site.reloader.fingerprint
    assert not follows.look(old, 1.0)
    assert follows.problem(1.0 + PATIENCE) == ""
    assert not Follows(board).look(old, 1.0), "the next follower knows it"
    assert not follows.look(old, 2.0 + PATIENCE)
    assert follows.problem(2.0 + PATIENCE) == NOT_PRESENTED
    assert follows.look(wanted.certificate, 3.0 + PATIENCE)
    assert follows.problem(3.0 + 2 * PATIENCE) == ""
    assert site.lines() == []

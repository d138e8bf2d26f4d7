"""A look at running services as phones meet them: certificates, versions, answers, and services that are not there."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.purposes import Purpose
from ctlcache.keys import certificate_key
from tests.fixtures.ports import quiet_port
from tests.fixtures.running import run_tvs
from tests.fixtures.silent import SILENCE
from tests.fixtures.tls import identity
from tvs.client.question import identity_question, signer_question
from tvs.client.survey import STEP, survey
from tvs.config.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.fixtures.running import Running
    from tvs.client.survey import ServerLook
    from tvs.state import StateDirectory

UNKNOWN = identity_question("CN=nobody", "CN=nobody", "01")


def own(state: StateDirectory, unit: Purpose) -> bytes:
    """The node's own certificate in a unit, X.509 DER."""
    with closing(state.store()) as store:
        return store.entries(own=True, unit=unit)[0].certificate.der


def met(service: Running, *, tls10: bool = True) -> ServerLook:
    """What a phone meets at a service, when it asks for the ITL's signer and for one that nobody knows."""
    questions = (signer_question(service.state.itl_file), UNKNOWN)
    return survey({"node": [service.endpoint]}, questions, tls10=tls10)["node"]


def test_what_a_service_presents_takes_and_answers(serve: Callable[..., Running]) -> None:
    """The certificate that it was started with, its profile's versions, and its answers, also to the unknown signer."""
    service = serve("--tls-profile", "legacy")
    look = met(service)
    assert look.problem == ""
    assert look.certificate == own(service.state, Purpose.TVS)
    assert look.tls10 is True
    trusted, unknown = look.answers
    assert trusted is not None
    assert (trusted.trusted, trusted.certificate, trusted.roles) == (
        True,
        own(service.state, Purpose.ITLRecovery),
        (0,),
    )
    assert unknown is not None
    assert (unknown.trusted, unknown.certificate, unknown.roles) == (False, None, ())
    service.wait_for_line("TVS-CHECK")  # the log tells its questions from those of phones


def test_a_profile_without_tls_1_0(serve: Callable[..., Running]) -> None:
    """A service that refuses TLS 1.0 answers all the same; one that is not asked about it counts no refused phone."""
    service = serve("--tls-profile", "compatible")
    assert met(service, tls10=False).tls10 is None
    assert not any("handshake_failed" in line for line in service.lines())
    look = met(service)
    assert (look.tls10, look.problem) == (False, "")
    service.wait_for_line("reason=unsupported_version")


def test_an_ec_key_takes_no_old_phone(serve: Callable[..., Running], state: StateDirectory) -> None:
    """TLS 1.0 phones know RSA key exchange only: a service of the legacy profile with an EC key is none for them."""
    done = run_tvs("set", "cert", "regen", "TVS", "--key", "p256", "-y", "--state", state.path)
    assert done.returncode == 0, done.stderr
    look = met(serve("--tls-profile", "legacy"))
    assert look.certificate is not None
    assert certificate_key(look.certificate) is None
    assert look.tls10 is False


def test_a_service_that_wants_the_phones_certificate(serve: Callable[..., Running], tmp_path: Path) -> None:
    """It shows its own before it refuses, and with it which versions it takes; its answers are not known."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(identity("phones", authority=True).certificate.public_bytes(Encoding.PEM))
    service = serve("--client-certificates", "require", "--client-ca", str(authority), "--tls-profile", "legacy")
    look = met(service)
    assert look.certificate == own(service.state, Purpose.TVS)
    assert look.tls10 is True
    assert look.answers == (None, None)
    assert str(service.endpoint) in look.problem


def test_services_that_are_not_there(serve: Callable[..., Running]) -> None:
    """A closed port, and one that takes connections and says nothing, are asked beside one that answers."""
    service = serve()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        silent = Endpoint("127.0.0.1", listener.getsockname()[1])
        closed = Endpoint("127.0.0.1", quiet_port())
        begun = time.monotonic()
        looks = survey(
            {"silent": [silent], "closed": [closed], "here": [closed, service.endpoint]}, [UNKNOWN], tls10=True
        )
        seconds = time.monotonic() - begun
    assert looks["silent"].problem == f"{silent} does not finish the TLS handshake within {STEP:g} s"
    assert looks["closed"].problem == f"{closed} does not accept the connection: Connection refused"
    assert {looks[name].certificate for name in ("silent", "closed")} == {None}
    assert looks["here"].server == service.endpoint, "of several places the one that answers"
    assert looks["here"].problem == ""
    assert seconds < SILENCE


def test_a_silent_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody resolves holds a look for some seconds, and no longer."""
    resolve = socket.getaddrinfo

    def wait(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == "tvs.example.com":
            time.sleep(SILENCE)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    begun = time.monotonic()
    look = survey({"node": [Endpoint("tvs.example.com", 2445)]}, [UNKNOWN], tls10=True)["node"]
    assert "tvs.example.com" in look.problem
    assert time.monotonic() - begun < SILENCE

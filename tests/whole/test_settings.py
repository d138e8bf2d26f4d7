"""Settings of the service as an administrator writes and checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]


def test_check_config(tvs: Tvs, state: StateDirectory) -> None:
    """`--check-config` starts nothing: status 0 for good settings, 2 with every problem for others."""
    good = tvs("serve", "--state", str(state.path), "--check-config")
    assert good.returncode == 0
    assert "tls_profile" in good.stdout
    (state.path / "tvs.toml").write_text('lisen = "127.0.0.1:0"\nlog_level = "x"\n')
    bad = tvs("serve", "--state", str(state.path), "--check-config")
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 2
    assert "lisen" in bad.stderr


async def test_settings_of_the_state_directory(serve: Callable[..., Running], state: StateDirectory) -> None:
    """`tvs.toml` in the state directory is read without `--config`."""
    (state.path / "tvs.toml").write_text("time_to_live = 60\n")
    store = state.store()
    known = next(iter(store.entries(own=True))).certificate
    store.close()
    async with serve().client() as phone:
        answer = await phone.query(
            device="x", subject=known.subject_name, issuer=known.issuer_name, serial=known.serial_number
        )
    assert answer.time_to_live == 60


def test_admin_port_in_use(tvs: Tvs, serve: Callable[..., Running], state: StateDirectory) -> None:
    """If the admin port is in use: one sentence and exit status 1."""
    service = serve()
    done = tvs("serve", "--state", str(state.path), "--listen", "127.0.0.1:0", "--admin", str(service.admin))
    assert done.returncode == 1
    assert f"cannot listen on {service.admin} for metrics: Address already in use" in done.stderr

"""The settings as a value: limits, paths and workers computed from them, and help texts."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING

import pytest

from tvs.config.loading import ConfigError, load_config
from tvs.config.settings import MAX_WORKERS, SETTINGS, Config, setting_help

if TYPE_CHECKING:
    from pathlib import Path


def test_limits_of_the_service_are_shared_out(tmp_path: Path) -> None:
    """Limits are for the whole service: each worker has its part, and never none."""
    config = Config(state=tmp_path, workers=4)
    assert [config.share(limit) for limit in (10_000, 10, 1)] == [2_500, 3, 1]
    assert Config(state=tmp_path).worker_count == len(os.sched_getaffinity(0))
    for bad in ("0", "257", "many"):
        with pytest.raises(ConfigError, match="workers"):
            load_config({"state": str(tmp_path), "workers": bad}, environment={})


def test_ctl_file_that_is_watched(tmp_path: Path) -> None:
    """Without a setting it is the one of the state directory."""
    assert Config(state=tmp_path).ctl_path == tmp_path / "tftp" / "CTLFile.tlv"
    assert Config(state=tmp_path, ctl_file=tmp_path / "other").ctl_path == tmp_path / "other"


def test_every_processor_has_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many workers as processors, but never more than the board has room for."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(1000)))
    assert Config(state=tmp_path).worker_count == MAX_WORKERS


def test_every_setting_has_a_help_text() -> None:
    """Each setting has a sentence for `--help`; a name that is not a setting has none."""
    assert all(setting_help(name)["help"] for name in SETTINGS)
    assert setting_help("drain_timeout")["default"] == 10.0
    with pytest.raises(KeyError):
        setting_help("workerz")


def test_settings_do_not_change(tmp_path: Path) -> None:
    """Settings are replaced as a whole, never one by one."""
    with pytest.raises(FrozenInstanceError):
        Config(state=tmp_path).workers = 3  # type: ignore[misc] # it is frozen

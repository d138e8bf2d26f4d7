"""Places: the state directory without an option, and files in it that the settings are about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_FILE = "tvs.toml"
"""Name of the file of settings in the state directory."""
DATABASE_FILE = "tvs.db"
"""Name of the SQLite database in a state directory whose settings name no other."""


def default_state(environment: Mapping[str, str] = os.environ) -> Path:
    """The state directory without an option: TVS_STATE, the systemd unit's, the system's, the user's, in this order."""
    for variable in ("TVS_STATE", "STATE_DIRECTORY"):  # the second is set by systemd for StateDirectory=
        if value := environment.get(variable):
            return Path(value.split(":")[0]).expanduser()
    system = Path("/var/lib/tvs")
    if system.is_dir() or os.geteuid() == 0:
        return system
    home = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "tvs"

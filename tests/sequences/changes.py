"""Changes of a cluster as `tvs ctl plan` names them, and their commands."""

from __future__ import annotations

CHANGES = (
    ("regen", "CallManager"),
    ("regen", "CallManager"),
    ("regen", "TVS"),
    ("regen", "TVS"),
    ("regen", "ITLRecovery"),
    ("set", "signer", "CallManager"),
    ("set", "signer", "ITLRecovery"),
    ("set", "digest", "sha1"),
    ("set", "digest", "sha512"),
    ("update", "CTLFile"),
    ("update", "itl"),
)
"""Changes as `tvs ctl plan` names them."""
_COMMANDS = {
    "regen": ("set", "cert", "regen"),
    "set": ("set",),
    "CTLFile": ("utils", "ctl", "update"),
    "itl": ("utils", "itl", "update"),
}


def commands(change: tuple[str, ...], steps: int) -> list[tuple[str, ...]]:
    """The commands of a change that a plan names, of one step or two."""
    first = change[0]
    if first == "rollover":
        return [(first, change[1], *(f"--{step}" for step in change[2:]), "--force")]
    if first == "update":
        return [(*_COMMANDS[change[1]], "CTLFile" if change[1] == "CTLFile" else "ITLFile", "--yes", "--force")]
    commands = [(*_COMMANDS[first], *change[1:], "--yes", "--force")]
    if steps > 1:
        commands.append(("utils", "ctl", "update", "CTLFile", "--yes", "--force"))
    return commands

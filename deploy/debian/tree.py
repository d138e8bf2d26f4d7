"""The package's files: what lies beside the environment, modes, and the control files."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.debian.environment import PREFIX

if TYPE_CHECKING:
    from deploy.debian.environment import Made

HERE = Path(__file__).resolve().parent
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/tvs",
    "zsh": "usr/share/zsh/vendor-completions/_tvs",
    "fish": "usr/share/fish/vendor_completions.d/tvs.fish",
}
"""Where Debian's shells look for scripts of packages."""
CONFIGURATION = {"etc/logrotate.d/tvs": "deploy/logrotate/tvs"}
"""Files that an administrator may change; dpkg asks before it replaces them."""


def fill(root: Path, stage: Path, made: Made) -> None:
    """Adds all files beside the environment, and gives every file its mode."""
    licence = (root / "LICENSE").read_text().strip()
    indented = "\n".join(f" {line}" if line else " ." for line in licence.splitlines())
    unit = (root / "deploy/systemd/tvs.service").read_bytes()
    files = {
        "usr/lib/systemd/system/tvs.service": unit,
        "usr/lib/sysusers.d/tvs.conf": (HERE / "sysusers.conf").read_bytes(),
        "usr/share/man/man1/tvs.1.gz": _packed(made.manual),
        "usr/share/doc/tvs/changelog.gz": _packed((root / "CHANGELOG.md").read_bytes()),
        "usr/share/doc/tvs/copyright": (HERE / "copyright").read_text().replace("@LICENSE@", indented).encode(),
        **{name: (root / source).read_bytes() for name, source in CONFIGURATION.items()},
        **{COMPLETIONS[shell]: script for shell, script in made.completions.items()},
    }
    for name, content in files.items():
        _write(stage / name, content)
    shutil.copytree(root / "docs", stage / "usr/share/doc/tvs/docs", ignore=shutil.ignore_patterns("*.png"))
    (stage / "usr/bin").mkdir()
    (stage / "usr/bin/tvs").symlink_to(f"/{PREFIX}/bin/tvs")
    for path in (stage, *stage.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def write_control(stage: Path, control: str, scripts: dict[str, bytes]) -> None:
    """Adds the folder from which dpkg-deb takes the control files."""
    sums = "".join(f"{_md5(path)}  {path.relative_to(stage)}\n" for path in files_of(stage))
    folder = stage / "DEBIAN"
    _write(folder / "control", control.encode())
    _write(folder / "conffiles", "".join(f"/{name}\n" for name in CONFIGURATION).encode())
    _write(folder / "md5sums", sums.encode())
    for name, content in scripts.items():
        _write(folder / name, content)
        (folder / name).chmod(0o755)
    folder.chmod(0o755)


def files_of(stage: Path) -> list[Path]:
    """All plain files below a stage, sorted."""
    return sorted(path for path in stage.rglob("*") if path.is_file() and not path.is_symlink())


def installed_size(stage: Path) -> int:
    """The size on a disk in KiB, as dpkg counts: files in whole KiB, everything else as one."""
    return sum(
        -(-path.stat().st_size // 1024) if path.is_file() and not path.is_symlink() else 1 for path in stage.rglob("*")
    )


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _packed(content: bytes) -> bytes:
    """Gzip without name and time."""
    return gzip.compress(content, 9, mtime=0)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)

"""Lock of a flash directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from tvs.phone.flash import NOT_YET, PRIVATE, FlashError, WrongFlashError, refuse_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def lock_flash(path: Path, *, make: bool) -> Iterator[None]:
    """Locks a flash while a command runs its phone, so a phone never boots twice at once. Raises `FlashError`.

    Args:
        path: the flash directory.
        make: whether to create a missing directory.
    """
    refuse_service(path)
    if not make and not path.is_dir():
        raise WrongFlashError(f"{path} {NOT_YET}")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        raise FlashError(f"{path}: cannot be used: {error.strerror}") from None
    try:
        _claim(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _claim(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FlashError(f"the phone of {path} is busy: another command is running it") from None

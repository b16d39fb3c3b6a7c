"""Errors of the system as errors of ours: what a disk refuses, and what a limit does."""

from __future__ import annotations

import errno

from facebatch.errors import FacebatchError, InputError

# Not where it is needed: there may be no memory left to import it then.
from facebatch.workers.machine import is_scarcity, is_short_of_addresses, limits

_REFUSED_BY_A_DISK = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG}
)
"""Disks that are full or may not be written, and names that are too long for them."""


def deliberate(error: BaseException) -> BaseException:
    """Returns the error of ours that says in one line what another says; any other as it is."""
    if isinstance(error, FacebatchError):
        return error
    if isinstance(error, OSError) and error.errno in _REFUSED_BY_A_DISK:
        place = f"{error.filename}: " if error.filename else ""
        return InputError(f"{place}{error.strerror}")
    if isinstance(error, Exception) and (is_scarcity(error) or is_short_of_addresses()):
        # Compiled code says first where it happened, line by line.
        words = (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")
        return FacebatchError(f"the system gave no more memory or threads: {words}.{limits_met()}")
    return error


def limits_met() -> str:
    """Returns the limits that the process has, as a sentence after a message; empty without any."""
    found = limits()
    return f" The limits here: {found}." if found else ""

"""Removing somebody for good: what is to go, the removal, and the proof that nothing is left."""

from facebatch.erasure.removal import Erased, erase, verify
from facebatch.erasure.selection import Request, Selection, select

__all__ = ["Erased", "Request", "Selection", "erase", "select", "verify"]

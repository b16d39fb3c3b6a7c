"""How the outputs of each family of single-shot networks are read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from facebatch.detect.retinaface import RETINAFACE
from facebatch.detect.scrfd import SCRFD
from facebatch.detect.single_shot import Family
from facebatch.detect.yunet import YUNET

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {"yunet": YUNET, "scrfd": SCRFD, "retinaface": RETINAFACE}
)
"""By the name that a card has for it."""

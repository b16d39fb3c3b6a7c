"""XMP packets as trees, read within bounds, and whether this program wrote one itself."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from facebatch.media.photo.xmp import XmpError

TOOLKIT = "facebatch"
"""What a sidecar names as its writer. Every XMP toolkit puts its own name there, so that a sidecar
that another program changed isn't taken for ours any more."""

_OURS = re.compile(rb'<x:xmpmeta\b[^>]*\bx:xmptk="facebatch"')
_LOOKED_AT = 1024  # bytes, in which the packet's first element stands

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
"""Namespace of the elements that a packet is made of, as a prefix of their names."""

_DEEPEST, _MOST_ELEMENTS = 100, 100_000


def is_ours(data: bytes) -> bool:
    """Tells whether a sidecar is as this program wrote it, and no other wrote it since."""
    return _OURS.search(data[:_LOOKED_AT]) is not None


class _Reader:
    """Builds a tree from what expat finds, within bounds."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST or self._count > _MOST_ELEMENTS:
            raise XmpError("more elements than a program writes")
        named = {_qualified(key): value for key, value in attributes.items()}
        self._builder.start(_qualified(name), named)

    def end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(_qualified(name))

    def text(self, data: str) -> None:
        self._builder.data(data)

    def refuse(self, *_: Any) -> None:
        raise XmpError("it has a document type")

    def tree(self) -> Element:
        return self._builder.close()


def parsed(packet: bytes) -> Element:
    """Returns an XMP packet as a tree.

    Raises:
        XmpError: It isn't well-formed, has a document type (whose entities can ask for memory
            without end), or is larger or deeper than anything that a program writes.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        is_wide = packet.startswith((b"\xff\xfe", b"\xfe\xff"))
        parser.Parse(packet if is_wide else packet.strip(b"\0 \r\n\t"), True)
        return reader.tree()
    except XmpError:
        raise
    except (expat.ExpatError, LookupError, AssertionError, ValueError) as error:
        raise XmpError(f"no well-formed XMP: {error}") from error


def _qualified(name: str) -> str:
    return "{" + name if "}" in name else name

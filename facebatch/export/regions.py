"""Named face regions in XMP: those of the Metadata Working Group, and Microsoft's.

"Guidelines for Handling Image Metadata", version 2.0, section 5.9, as digiKam, Lightroom and Picasa
write them; and the Microsoft Photo 1.2 schema of Windows Live Photo Gallery, whose rectangles are
"left, top, width, height". Both are shares of the stored picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from facebatch.media.photo.xmp_tree import RDF, is_ours, parsed

_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_AREA = "{http://ns.adobe.com/xmp/sType/Area#}"
_DIMENSIONS = "{http://ns.adobe.com/xap/1.0/sType/Dimensions#}"
_MP = "{http://ns.microsoft.com/photo/1.2/}"
_MP_INFO = "{http://ns.microsoft.com/photo/1.2/t/RegionInfo#}"
_MP_REGION = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"

_IGNORED_BY_PICASA = "ffffffffffffffff"
_LONGEST_NAME = 1000


@dataclass(frozen=True)
class FoundRegion:
    """A named face region of one picture.

    Args:
        name: Whom it shows.
        box: x0, y0, x1, y1 as shares of the picture that it was applied to; a point has no size.
        applied_to: Width and height of that picture, pixels; None where nothing says so.
    """

    name: str
    box: tuple[float, float, float, float]
    applied_to: tuple[float, float] | None = None


@dataclass(frozen=True)
class XmpFacts:
    """What a packet says of people.

    Args:
        regions: By schema (MWG's, Microsoft's), its named face regions.
        keywords: ``dc:subject``.
        people: ``Iptc4xmpExt:PersonInImage``.
    """

    regions: tuple[tuple[FoundRegion, ...], ...] = ()
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


def read_facts(packet: bytes) -> XmpFacts:
    """Returns what an XMP packet or sidecar says of people.

    Raises:
        XmpError: It isn't well-formed, has a document type (whose entities can ask for memory
            without end), or is larger or deeper than anything that a program writes.
    """
    root = parsed(packet)
    described = list(root.iter(f"{RDF}Description"))
    mwg = [region for node in described for region in _of_mwg(node)]
    microsoft = [region for node in described for region in _of_microsoft(node)]
    return XmpFacts(
        tuple(tuple(found) for found in (mwg, microsoft) if found),
        tuple(dict.fromkeys(text for node in described for text in _texts(node, f"{_DC}subject"))),
        tuple(
            dict.fromkeys(
                text for node in described for text in _texts(node, f"{_IPTC}PersonInImage")
            )
        ),
    )


def facts_of(packets: Iterable[bytes]) -> XmpFacts:
    """Returns what packets say of people, those of this program left aside.

    Raises:
        XmpError: One can't be read.
    """
    facts = [read_facts(packet) for packet in packets if not is_ours(packet)]
    return XmpFacts(
        tuple(source for one in facts for source in one.regions),
        tuple(dict.fromkeys(word for one in facts for word in one.keywords)),
        tuple(dict.fromkeys(name for one in facts for name in one.people)),
    )


def _of_mwg(node: Element) -> Iterator[FoundRegion]:
    for info in node.findall(f"{_MWG}Regions"):
        applied = next(iter(_properties(info, f"{_MWG}AppliedToDimensions")), None)
        size = None if applied is None else _size(applied)
        for region in _members(info, f"{_MWG}RegionList"):
            name, kind = _text(region, f"{_MWG}Name"), _text(region, f"{_MWG}Type")
            area = next(iter(_properties(region, f"{_MWG}Area")), None)
            box = None if area is None else _box(area, size)
            if name and box and kind in ("", "Face"):
                yield FoundRegion(name, box, size)


def _of_microsoft(node: Element) -> Iterator[FoundRegion]:
    for info in node.findall(f"{_MP}RegionInfo"):
        for region in _members(info, f"{_MP_INFO}Regions"):
            name = _text(region, f"{_MP_REGION}PersonDisplayName")
            numbers = _numbers(_text(region, f"{_MP_REGION}Rectangle").split(","))
            if name and name != _IGNORED_BY_PICASA and len(numbers) == 4:
                left, top, width, height = numbers
                yield FoundRegion(name, (left, top, left + width, top + height))


def _size(applied: Element) -> tuple[float, float] | None:
    numbers = _numbers([_text(applied, f"{_DIMENSIONS}{side}") for side in "wh"])
    return (numbers[0], numbers[1]) if len(numbers) == 2 and min(numbers) > 0 else None


def _box(
    area: Element, size: tuple[float, float] | None
) -> tuple[float, float, float, float] | None:
    """Returns a rectangle's, circle's or point's box; None where it makes no sense."""
    centre = _numbers([_text(area, f"{_AREA}{axis}") for axis in "xy"])
    if len(centre) != 2:
        return None
    sides = _numbers([_text(area, f"{_AREA}{side}") for side in "wh"])
    if len(sides) != 2:
        sides = 2 * (_numbers([_text(area, f"{_AREA}d")]) or [0.0])
    if _text(area, f"{_AREA}unit") == "pixel":
        if size is None:
            return None
        centre = [value / whole for value, whole in zip(centre, size, strict=True)]
        sides = [value / whole for value, whole in zip(sides, size, strict=True)]
    (x, y), (width, height) = centre, sides
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _numbers(texts: list[str]) -> list[float]:
    """Returns texts as numbers; none at all where one isn't finite."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


def _properties(node: Element, name: str) -> Iterator[Element]:
    """Yields the values of a property of a structure, in whichever of RDF's forms it stands."""
    for holder in (node, *node.findall(f"{RDF}Description")):
        yield from holder.findall(name)


def _text(node: Element, name: str) -> str:
    """Returns a property that is text, empty where it is missing: an attribute or an element."""
    for holder in (node, *node.findall(f"{RDF}Description")):
        if name in holder.attrib:
            return _plain(holder.attrib[name])
        for child in holder.findall(name):
            return _plain(child.text or "")
    return ""


def _members(node: Element, name: str) -> Iterator[Element]:
    """Yields the members of a property that is a list."""
    for listed in _properties(node, name):
        for bag in listed:
            yield from bag.findall(f"{RDF}li")


def _texts(node: Element, name: str) -> Iterator[str]:
    for member in _members(node, name):
        text = _plain(member.text or "")
        if text:
            yield text


def _plain(text: str) -> str:
    return " ".join(text[:_LONGEST_NAME].split())

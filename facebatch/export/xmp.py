"""XMP sidecars with face regions of the Metadata Working Group: numbers and names in, bytes out.

"Guidelines for Handling Image Metadata", version 2.0, section 5.9: a region's area is its centre
and size as shares of the picture, and "region metadata is applied to the stored image": to the
pixels as the file has them, before EXIF orientation turns them upright. So do digiKam and Immich
(issue 12440) read it. The guidelines define regions for pictures alone: a video's sidecar has
names and no regions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from facebatch.media.orientation import MIRRORS_X, MIRRORS_Y, SWAPS_SIDES, inverse
from facebatch.media.photo.xmp_tree import TOOLKIT

_NAMESPACES = {
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmlns:mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "xmlns:stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "xmlns:stArea": "http://ns.adobe.com/xmp/sType/Area#",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_STRUCT = {"rdf:parseType": "Resource"}

_SPACE = re.compile(r"[\t\n\r]+")
_NOT_IN_XML = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


@dataclass(frozen=True)
class Region:
    """One face of one picture.

    Args:
        area: x and y of the centre, width, height; shares of the stored picture.
        name: Whom it shows; None where that isn't known.
    """

    area: tuple[float, float, float, float]
    name: str | None = None


@dataclass(frozen=True)
class StoredPicture:
    """The size of a picture and how it is turned upright.

    Args:
        width: Of the upright picture, pixels.
        height: Of the upright picture, pixels.
        orientation: EXIF orientation, 1..8.
    """

    width: int
    height: int
    orientation: int = 1

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the picture as it is stored."""
        swaps = self.orientation in SWAPS_SIDES
        return (self.height, self.width) if swaps else (self.width, self.height)

    def areas(
        self, boxes: npt.NDArray[np.float64]
    ) -> list[tuple[float, float, float, float] | None]:
        """Returns the area of each box; None for a box that has no part in the picture.

        Args:
            boxes: (n, 4) x0, y0, x1, y1 in pixels of the upright picture; what lies outside of
                the picture is cut off.
        """
        size = np.array([self.width, self.height], np.float64)
        corners = np.clip(boxes.reshape(-1, 2, 2) / size, 0.0, 1.0)
        inside = np.all(corners[:, 1] > corners[:, 0], axis=1)
        orientation = inverse(self.orientation)
        if orientation in SWAPS_SIDES:
            corners = corners[:, :, ::-1]
        centres, sizes = corners.mean(axis=1), corners[:, 1] - corners[:, 0]
        if orientation in MIRRORS_X:
            centres[:, 0] = 1 - centres[:, 0]
        if orientation in MIRRORS_Y:
            centres[:, 1] = 1 - centres[:, 1]
        areas = np.concatenate([centres, sizes], axis=1).tolist()
        return [
            (x, y, width, height) if shown else None
            for (x, y, width, height), shown in zip(areas, inside.tolist(), strict=True)
        ]


def sidecar(
    picture: StoredPicture | None,
    regions: Sequence[Region],
    names: Iterable[str],
    keywords: Iterable[str] = (),
) -> bytes:
    """Returns an XMP file.

    Args:
        picture: What the regions apply to; None where the file isn't one picture.
        regions: The faces that are shown as regions.
        names: Whom the file shows, repeats allowed: its keywords and ``PersonInImage``.
        keywords: More keywords, that are nobody's names.
    """
    packet = ElementTree.Element("x:xmpmeta", {"xmlns:x": "adobe:ns:meta/", "x:xmptk": TOOLKIT})
    rdf = ElementTree.SubElement(packet, "rdf:RDF", {"xmlns:rdf": _RDF})
    about = ElementTree.SubElement(rdf, "rdf:Description", {"rdf:about": "", **_NAMESPACES})
    people = sorted({_plain(name) for name in names})
    words = sorted({*people, *(_plain(word) for word in keywords)})
    for place, listed in (("dc:subject", words), ("Iptc4xmpExt:PersonInImage", people)):
        if listed:
            bag = ElementTree.SubElement(ElementTree.SubElement(about, place), "rdf:Bag")
            for name in listed:
                ElementTree.SubElement(bag, "rdf:li").text = name
    if picture is not None and regions:
        _add_regions(about, picture, regions)
    ElementTree.indent(packet)
    text: str = ElementTree.tostring(packet, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add_regions(
    about: ElementTree.Element, picture: StoredPicture, regions: Sequence[Region]
) -> None:
    info = ElementTree.SubElement(about, "mwg-rs:Regions", _STRUCT)
    width, height = picture.stored_size
    dimensions = {"stDim:w": str(width), "stDim:h": str(height), "stDim:unit": "pixel"}
    ElementTree.SubElement(info, "mwg-rs:AppliedToDimensions", dimensions)
    listed = ElementTree.SubElement(info, "mwg-rs:RegionList")
    bag = ElementTree.SubElement(listed, "rdf:Bag")
    for region in regions:
        item = ElementTree.SubElement(bag, "rdf:li", _STRUCT)
        if region.name is not None:
            ElementTree.SubElement(item, "mwg-rs:Name").text = _plain(region.name)
        ElementTree.SubElement(item, "mwg-rs:Type").text = "Face"
        numbers = zip("xywh", region.area, strict=True)
        area = {f"stArea:{side}": f"{number:.6f}" for side, number in numbers}
        ElementTree.SubElement(item, "mwg-rs:Area", {**area, "stArea:unit": "normalized"})


def _plain(name: str) -> str:
    """Returns a name as one line that XML can hold."""
    return _NOT_IN_XML.sub("\ufffd", _SPACE.sub(" ", name))

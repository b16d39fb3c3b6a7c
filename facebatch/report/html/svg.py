"""Makes one of matplotlib's SVG files a part of a page: small, in the page's colours and fonts.

Matplotlib writes whole files with fixed colours and an id on every group. Here the fixed colours
become the page's CSS variables, so that plots follow light, dark and print; ids that nothing
refers to go; numbers are rounded to a hundredth of a point.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT_SIZE = re.compile(r"([\d.]+)px")
_ROUNDED = ("d", "x", "y", "width", "height", "points")
_DROPPED = ("metadata", "style", "title")
_FONTS = ("font", "font-family", "font-stretch", "font-variant")
_POINTS = 72
"""Points in an inch, matplotlib's unit in SVG."""


@dataclass(frozen=True)
class Picture:
    """A thumbnail on a plot.

    Args:
        jpeg: A small JPEG.
        x: Left edge in points from the plot's left.
        y: Upper edge in points from the plot's top.
        side: Side in points.
    """

    jpeg: bytes
    x: float
    y: float
    side: float


def inline(
    source: bytes,
    name: str,
    title: str,
    colours: Mapping[str, str],
    pictures: Sequence[Picture] = (),
) -> Markup:
    """Returns an SVG file as an element of a page.

    Args:
        source: What matplotlib wrote.
        name: Begins the ids that are kept; another for every plot of a page.
        title: What the plot shows, for those who can't see it.
        colours: What replaces a colour that matplotlib wrote, in its lower-case form.
        pictures: Thumbnails that lie on the plot.
    """
    root = ElementTree.fromstring(source)  # noqa: S314 (written by matplotlib a moment ago)
    cleaner = _Cleaner(name, colours, frozenset(_referred(root)))
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": root.get("viewBox", ""),
            "role": "img",
            "aria-label": title,
            "class": "plot",
        },
    )
    svg.extend(made for child in root for made in cleaner.cleaned(child))
    svg.extend(map(_image, pictures))
    return Markup(ElementTree.tostring(svg, encoding="unicode"))  # noqa: S704 (escaped by it)


def _referred(root: Element) -> Iterator[str]:
    for element in root.iter():
        for key, value in element.attrib.items():
            if _local(key) == "href" and value.startswith("#"):
                yield value[1:]
            yield from _REFERENCE.findall(value)


def _image(picture: Picture) -> Element:
    return Element(
        "image",
        {
            "href": f"data:image/jpeg;base64,{b64encode(picture.jpeg).decode()}",
            "x": f"{picture.x:.1f}",
            "y": f"{picture.y:.1f}",
            "width": f"{picture.side:g}",
            "height": f"{picture.side:g}",
        },
    )


@dataclass(frozen=True)
class _Cleaner:
    name: str
    colours: Mapping[str, str]
    referred: frozenset[str]

    def cleaned(self, element: Element) -> Iterator[Element]:
        """Yields what becomes of an element: itself, what it holds, or nothing."""
        local = _local(element.tag)
        if local in _DROPPED:
            return
        children = [made for child in element for made in self.cleaned(child)]
        attributes = self._attributes(element)
        if local in ("g", "defs") and not children:
            return
        if local == "g" and not attributes:
            yield from children
            return
        made = Element(local, attributes)
        made.text = (element.text or "").strip()
        made.extend(children)
        yield made

    def _attributes(self, element: Element) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in element.attrib.items():
            local = _local(key)
            if local == "style":
                found.update(self._style(value))
            elif local == "id":
                if value in self.referred:
                    found["id"] = f"{self.name}-{value}"
            elif local == "href" and value.startswith("#"):
                found["href"] = f"#{self.name}-{value[1:]}"
            elif local == "href":
                found["href"] = "".join(value.split())
            elif local in _ROUNDED:
                found[local] = _NUMBER.sub(_rounded, " ".join(value.split()))
            else:
                found[local] = self._reference(value)
        return found

    def _style(self, style: str) -> Iterator[tuple[str, str]]:
        """Yields a style's declarations as attributes, which a page's style may override."""
        for declaration in filter(None, style.split(";")):
            key, _, value = (part.strip() for part in declaration.partition(":"))
            if key == "font" and (size := _FONT_SIZE.search(value)):
                yield "font-size", size[1]
            if key not in _FONTS:
                yield key, self.colours.get(value.lower(), self._reference(value))

    def _reference(self, value: str) -> str:
        return _REFERENCE.sub(rf"url(#{self.name}-\1)", value)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")

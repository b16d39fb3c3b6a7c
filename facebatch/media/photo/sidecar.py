"""What an XMP sidecar says of how its photo lies."""

from __future__ import annotations

from facebatch.media.photo.xmp_tree import RDF, is_ours, parsed

_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_ORIENTATIONS = {str(number): number for number in range(1, 9)}


def said_orientation(sidecar: bytes) -> int | None:
    """Returns the EXIF orientation that a sidecar says (``tiff:Orientation``), 1..8.

    Returns:
        None where it says none, an impossible one, or where this program wrote the sidecar.

    Raises:
        XmpError: It can't be read.
    """
    if is_ours(sidecar):
        return None
    name = f"{_TIFF}Orientation"
    for node in parsed(sidecar).iter(f"{RDF}Description"):
        for text in (node.get(name), node.findtext(name)):
            if text is not None:
                return _ORIENTATIONS.get(text.strip())
    return None

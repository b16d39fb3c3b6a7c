"""XMP sidecars that say how a photo lies."""

from __future__ import annotations

from pathlib import Path


def orientation_packet(orientation: object, toolkit: str = "XMP Core 5.6.0") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="{toolkit}">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


def lay_beside(photo: Path, orientation: object, naming: str = "append") -> Path:
    """Writes a sidecar beside a photo, called ``photo.jpg.xmp`` or ``photo.xmp``."""
    name = photo.name if naming == "append" else photo.stem
    sidecar = photo.with_name(f"{name}.xmp")
    sidecar.write_bytes(orientation_packet(orientation))
    return sidecar

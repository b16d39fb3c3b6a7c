"""XMP packets as other programs write them."""

from __future__ import annotations

from collections.abc import Sequence

_RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
_HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0"><rdf:RDF {_RDF}>'
_TAIL = "</rdf:RDF></x:xmpmeta>"
_MWG = (
    'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
    'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" '
    'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"'
)
_MP = (
    'xmlns:MP="http://ns.microsoft.com/photo/1.2/" '
    'xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" '
    'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"'
)

Named = tuple[str, tuple[float, float, float, float]]


def mwg(
    regions: Sequence[Named], size: tuple[int, int] = (100, 50), kind: str = "Face", more: str = ""
) -> bytes:
    """Returns a packet as digiKam writes it: names with centre, width and height."""
    items = "".join(
        f'<rdf:li><rdf:Description mwg-rs:Name="{name}" mwg-rs:Type="{kind}">'
        f'<mwg-rs:Area stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}" '
        'stArea:unit="normalized"/></rdf:Description></rdf:li>'
        for name, (x, y, w, h) in regions
    )
    width, height = size
    text = (
        f'{_HEAD}<rdf:Description rdf:about="" {_MWG}>'
        '<mwg-rs:Regions rdf:parseType="Resource">'
        f'<mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>'
        f"<mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>{more}"
        f"</rdf:Description>{_TAIL}"
    )
    return f'<?xpacket begin="\ufeff" id="W5M0"?>{text}<?xpacket end="w"?>'.encode()


def microsoft(regions: Sequence[Named]) -> bytes:
    """Returns a packet as Windows Live Photo Gallery writes it: left, top, width, height."""
    items = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<MPReg:Rectangle>{', '.join(map(str, box))}</MPReg:Rectangle>"
        f"<MPReg:PersonDisplayName>{name}</MPReg:PersonDisplayName></rdf:li>"
        for name, box in regions
    )
    return (
        f'{_HEAD}<rdf:Description rdf:about="" {_MP}><MP:RegionInfo rdf:parseType="Resource">'
        f"<MPRI:Regions><rdf:Bag>{items}</rdf:Bag></MPRI:Regions></MP:RegionInfo>"
        f"</rdf:Description>{_TAIL}"
    ).encode()

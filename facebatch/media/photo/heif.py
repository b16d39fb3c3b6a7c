"""Opening HEIC, HEIF and AVIF files: by decoders that may be missing, and how those are set up."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from facebatch.errors import MediaError


def open_heif(data: bytes) -> Image.Image:
    """Returns a HEIF file's primary picture, opened; upright already, by the file's own turns.

    pillow-heif is told, for the whole process, to look for no thumbnails, depth maps and other
    parts, and to decode in one thread: there is a worker for every core.

    Raises:
        MediaError: ``decoder_missing``.
        SyntaxError: The file is broken.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise MediaError(
            "decoder_missing", "a HEIC or HEIF picture needs pip install 'facebatch[heif]'"
        ) from error
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    pillow_heif.options.DECODE_THREADS = 1
    opened: Any = pillow_heif.HeifImageFile  # its annotations are partial
    image: Image.Image = opened(io.BytesIO(data))
    return image


def open_avif(data: bytes) -> Image.Image:
    """Returns an AVIF file's picture, opened; its orientation says how to turn it upright.

    Pillow is told, for the whole process, to decode AVIF in one thread: there is a worker for
    every core.

    Raises:
        MediaError: ``decoder_missing``.
        SyntaxError: The file is broken.
    """
    try:
        from PIL import AvifImagePlugin
    except ImportError as error:
        raise MediaError("decoder_missing", _NO_AVIF) from error
    if not AvifImagePlugin.SUPPORTED:
        raise MediaError("decoder_missing", _NO_AVIF)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data))


_NO_AVIF = "an AVIF picture needs a Pillow that decodes it: pip install --upgrade 'pillow>=11.3'"

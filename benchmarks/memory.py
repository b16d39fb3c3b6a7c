"""How a worker's memory grows with the number of photos.

    python benchmarks/memory.py [--photos FOLDER] [--counts 200 2000]

Prints the peak resident size of the worker process of ``facebatch extract --workers 1`` over each
number of photos, in whole commands, and the ratio of the last to the first. The photos are the
folder's JPEGs, or the demo's album's, over and over, each with other bytes appended so that no two
have the same content.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import extract, photo_folder, photos_in

from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo


def jpegs(photos: Sequence[Path]) -> list[Path]:
    """Returns the photos that are JPEGs and can be decoded."""
    found = []
    for path in photos:
        try:
            photo = Photo(path.read_bytes())
            photo.decode(8)
        except MediaError:
            continue
        if photo.facts.format in ("JPEG", "MPO"):
            found.append(path)
    if not found:
        raise SystemExit("none of the photos is a JPEG")
    return found


def multiply(sources: Sequence[Path], count: int, folder: Path) -> None:
    """Writes a number of photos, each of another content.

    Decoders stop at a JPEG's end marker, so what follows it changes the content alone.
    """
    folder.mkdir()
    for number in range(count):
        data = sources[number % len(sources)].read_bytes()
        (folder / f"{number:06}.jpg").write_bytes(data + f"photo {number}".encode())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--counts", type=int, nargs=2, default=(200, 2000))
    arguments = parser.parse_args()
    rows = []
    with photo_folder(arguments.photos) as folder:
        sources = jpegs(photos_in(folder))
        for count in arguments.counts:
            with tempfile.TemporaryDirectory() as place:
                photos = Path(place) / "photos"
                multiply(sources, count, photos)
                rows.append((count, *extract(photos, 1)))
    print(f"from {len(sources)} JPEGs, one worker, whole commands")
    print("photos  seconds  worker's peak")
    for count, seconds, peak in rows:
        print(f"{count:>6}  {seconds:7.1f}  {peak / 1e6:10.0f} MB")
    print(f"the last is {rows[-1][2] / rows[0][2]:.2f} times the first")


if __name__ == "__main__":
    main()

"""What several benchmarks share: their photos, the extract command, and how large a process was."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from facebatch.media.kinds import PHOTO_EXTENSIONS

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What the product's workers set before they load a math library."""

_FACEBATCH = str(Path(sys.executable).with_name("facebatch"))
_POLL_SECONDS = 0.1


@contextmanager
def photo_folder(given: Path | None) -> Iterator[Path]:
    """Gives the folder that was named, else the demo's album, rendered for as long as it lasts."""
    if given is not None:
        if not given.is_dir():
            raise SystemExit(f"{given} is no folder")
        yield given
        return
    from facebatch.demo.album import write_album

    with tempfile.TemporaryDirectory() as rendered:
        album = Path(rendered) / "album"
        write_album(album)
        yield album


def photos_in(folder: Path, limit: int = 0) -> list[Path]:
    """Returns the photos below a folder, by extension as the product lists them.

    Args:
        folder: The folder.
        limit: How many at most, evenly from all; 0 for all.

    Raises:
        SystemExit: There is none.
    """
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    photos = [
        path
        for path in every
        if path.suffix.lower() in PHOTO_EXTENSIONS and not path.name.startswith(".")
    ]
    if not photos:
        raise SystemExit(f"{folder} holds no photo")
    count = min(limit, len(photos)) if limit else len(photos)
    return [photos[number * len(photos) // count] for number in range(count)]


def photo_of(truth: Path, name: str, folders: list[Path]) -> Path:
    """Returns the path of a photo that a file of true faces names: beside it, or in a folder."""
    places = [truth.parent, *folders]
    return next((at / name for at in places if (at / name).is_file()), truth.parent / name)


def facebatch_command() -> str:
    """Returns the path of the program beside this interpreter."""
    return _FACEBATCH


def extract_command(photos: Path, collection: Path, workers: int, *options: str) -> list[str]:
    """Returns the command line that extracts a folder into a new collection."""
    words = [_FACEBATCH, "extract", str(photos), "--output", str(collection)]
    return [*words, "--workers", str(workers), *options]


def extract(photos: Path, workers: int, *options: str) -> tuple[float, int]:
    """Extracts a folder into a new collection, which is then removed.

    Returns:
        The seconds that the whole command took and the peak resident size, in bytes, of its
        largest worker process.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = extract_command(photos, Path(folder) / "collection", workers, *options)
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max([peak, *_worker_peaks(process.pid)])
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds, peak


def _worker_peaks(launcher: int) -> list[int]:
    try:
        children = psutil.Process(launcher).children(recursive=True)
        return [_peak_of(child) for child in children]
    except psutil.Error:
        return []


def _peak_of(process: psutil.Process) -> int:
    return _high_water_mark(process.pid) or process.memory_info().rss


def own_peak() -> int:
    """Returns the peak resident size of this process in bytes."""
    kilo = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes there, else kilobytes
    # On Linux ru_maxrss counts what the parent had when it started this process, too.
    return _high_water_mark("self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilo


def _high_water_mark(process: int | str) -> int:
    """Returns a process's peak resident size as Linux knows it, in bytes; elsewhere 0."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)

"""What a collection knows, written for other programs: XMP sidecars and CSV, from tables alone."""

from facebatch.export.faces import check_root, named_faces
from facebatch.export.sidecars import NAMINGS, Target, write_sidecars
from facebatch.export.tabular import STDOUT, write_csv

__all__ = [
    "NAMINGS",
    "STDOUT",
    "Target",
    "check_root",
    "named_faces",
    "write_csv",
    "write_sidecars",
]

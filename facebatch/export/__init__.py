"""What a collection knows, written for other programs, and names that those wrote.

XMP sidecars and CSV; face regions that photos and sidecars have already.
"""

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

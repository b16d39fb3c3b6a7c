"""Compiled loops run where no machine code can be kept: read-only homes and installations."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import facebatch

_WORK = """
import numpy as np
from facebatch.cluster.kernels import merge_links
from facebatch.cluster.vote_kernels import both_ways
import facebatch.detect.nms
from facebatch.neighbors.kernels import nearest

one, two = np.array([0], np.int32), np.array([1], np.int32)
children, _ = merge_links(one, two, 2)
print(merge_links.__module__, children.tolist())
"""


def test_clustering_runs_where_neither_code_nor_home_can_be_written(tmp_path: Path) -> None:
    # A file in the place of a folder lets nobody write there, not even root.
    copied = tmp_path / "facebatch"
    shutil.copytree(
        Path(facebatch.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in [path for path in copied.rglob("*") if path.is_dir()]:
        (folder / "__pycache__").touch()
    home = tmp_path / "home"
    home.touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(home)}
    environment["XDG_CACHE_HOME"] = str(home / "cache")
    environment.pop("NUMBA_CACHE_DIR", None)
    ran = subprocess.run(
        [sys.executable, "-c", _WORK], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == "facebatch.cluster.kernels [[0, 1]]"

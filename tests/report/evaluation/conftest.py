from __future__ import annotations

from pathlib import Path

import pytest

from facebatch.report.evaluation import write_evaluation


@pytest.fixture
def written(tmp_path, parsed):
    def write(kind, made, folder="out"):
        paths = write_evaluation(str(tmp_path / folder), kind, *made)
        return parsed(Path(paths[0]).read_text("utf-8")), [Path(path) for path in paths]

    return write

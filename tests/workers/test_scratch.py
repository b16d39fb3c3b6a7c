"""Arrays that lie in a file."""

from __future__ import annotations

import numpy as np
import pytest

from facebatch.workers.scratch import scratch


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (5, 7), (4096, 3)])
def test_an_array_in_a_file_is_as_one_in_memory(shape: tuple[int, ...], tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made, held = scratch(*shape), np.zeros(shape, np.float32)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, held)
    made[1:3] += 2.5
    held[1:3] += 2.5
    np.testing.assert_array_equal(made, held)
    assert not list(tmp_path.iterdir()), "its file has no name"


def test_arrays_share_nothing():
    one, other = scratch(4, 4), scratch(4, 4)
    one[:] = 1
    assert not other.any()

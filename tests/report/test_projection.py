from __future__ import annotations

import numpy as np
import pytest

from facebatch.report import projection


def test_pca_finds_the_plane_that_points_lie_in():
    random = np.random.default_rng(1)
    flat = random.normal(size=(40, 2)) * [3, 1]
    turn = np.linalg.qr(random.normal(size=(16, 16)))[0][:2]
    found = projection.pca(flat @ turn)
    assert found.var(axis=0)[0] >= found.var(axis=0)[1]
    between = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert np.allclose(np.linalg.norm(found[:, None] - found[None], axis=2), between)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_faces_have_a_plane_by_pca_alone(n):
    assert projection.best_method(n) == "PCA"
    assert projection.project(np.eye(4, dtype=np.float32)[:n], "PCA", 0).shape == (n, 2)


def test_equal_faces_have_a_plane():
    for method in ("PCA", projection.best_method(20)):
        assert projection.project(np.ones((20, 8), np.float32), method, 0).shape == (20, 2)


def test_tsne_keeps_groups_together():
    pytest.importorskip("sklearn")
    random = np.random.default_rng(2)
    groups = np.repeat(np.eye(16, dtype=np.float32)[:3], 20, axis=0)
    faces = groups + random.normal(0, 0.02, groups.shape).astype(np.float32)
    found = projection.project(faces, "t-SNE", 7)
    assert np.array_equal(found, projection.project(faces, "t-SNE", 7))
    centres = found.reshape(3, 20, 2).mean(axis=1)
    nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, np.repeat([0, 1, 2], 20))

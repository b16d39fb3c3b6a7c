from __future__ import annotations

import numpy as np

from facebatch.evaluate.clusters import score_clusters


def test_nearly_all_is_not_all(written):
    truth = np.arange(4_000) // 2
    labels = truth.copy()
    labels[0] = 1
    page, _ = written("clusters", (score_clusters(truth, labels), {}))
    assert page.figure("precision of pairs") == "99.900\u00a0%"

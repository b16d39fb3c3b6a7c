from __future__ import annotations

import numpy as np

from facebatch.evaluate.pairs import score_pairs
from facebatch.report.plots import verification as verification_plots


def test_plots_stay_small_however_many_pairs_there_are():
    random = np.random.default_rng(0)
    same = np.arange(200_000) % 2 == 0
    distances = np.where(same, random.normal(0.2, 0.08, 200_000), random.normal(0.4, 0.08, 200_000))
    scores = score_pairs(np.abs(distances), same, np.zeros(200_000, np.int64))
    assert len(verification_plots.roc(scores.curves).svg()) < 60_000
    assert len(verification_plots.det_pairs(scores.curves).svg()) < 60_000
    assert len(verification_plots.accuracy_f1(scores.curves, 0.3).svg()) < 60_000

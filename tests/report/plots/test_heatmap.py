from __future__ import annotations

import numpy as np
from support.evaluations import jpeg

from facebatch.report.plots import heatmap as heatmaps


def test_heatmap_is_cut_to_what_can_be_read():
    many = 60
    side = heatmaps.Side([f"name {n}" for n in range(many)], [jpeg()] * many)
    plot = heatmaps.heatmap(np.ones((many, many)), side, side, ("a", "b"))
    assert len(plot.pictures) == 2 * heatmaps.HEATMAP_SIDE

from __future__ import annotations

import numpy as np
from support.evaluations import jpeg

from facebatch.evaluate.clusters import score_clusters


def test_nearly_all_is_not_all(written):
    truth = np.arange(4_000) // 2
    labels = truth.copy()
    labels[0] = 1
    page, _ = written("clusters", (score_clusters(truth, labels), {}))
    assert page.figure("precision of pairs") == "99.900\u00a0%"


def test_errors_are_called_by_their_labels_and_shown_with_their_faces(written):
    truth, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([5, 5, 5, 5, 7, -1])
    asked = []

    def chips_of(photos):
        asked.extend(photos)
        return dict.fromkeys(photos, jpeg())

    details = {
        "labels": labels,
        "truth": truth,
        "names": ["Ada", "Bo <b>", "Cy"],
        "photos": [f"{row}.jpg" for row in range(6)],
        "chips_of": chips_of,
    }
    page, _ = written("clusters", (score_clusters(truth, labels), details))
    assert "Bo <b> 2 2 1" in page.text
    mixed, split = (
        page.source.split(f'id="errors-{number}"')[1].split("</section>")[0] for number in (0, 1)
    )
    assert mixed.index("Cluster 5") < mixed.index("Ada") < mixed.index("Bo &lt;b&gt;")
    assert split.index("Bo &lt;b&gt;") < split.index("cluster 5") < split.index("cluster 7")
    assert len(page.all("img")) == 4
    assert sorted(asked) == ["0.jpg", "3.jpg", "4.jpg"], "of the faces shown alone"

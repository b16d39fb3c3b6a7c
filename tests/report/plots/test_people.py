from __future__ import annotations

import io

import numpy as np
from PIL import Image
from support.evaluations import jpeg

from facebatch.report.plots import people as people_plots


def test_thumbnails_do_not_cover_each_other():
    points = np.random.default_rng(0).normal(size=(300, 2))
    pictures = {row: jpeg(row % 250) for row in range(300)}
    plot = people_plots.projection(points, np.full(300, -1), [], pictures, "PCA")
    assert 5 < len(plot.pictures) < 120
    for number, one in enumerate(plot.pictures):
        for other in plot.pictures[:number]:
            assert max(abs(one.x - other.x), abs(one.y - other.y)) >= one.side


def test_thumbnails_lie_in_the_colour_of_their_person():
    points = np.array([[0.0, 0.0], [5.0, 1.0], [2.0, 9.0]])
    plot = people_plots.projection(points, np.arange(3), ["a", "b", "c"], {1: jpeg()}, "PCA")
    (picture,) = plot.pictures
    with Image.open(io.BytesIO(plot.png())) as image:
        scale = image.width / (72 * plot.figure.get_size_inches()[0])
        middle = picture.y + picture.side / 2
        frame = [picture.x - 1, picture.x + picture.side + 1]
        seen = {image.getpixel((round(x * scale), round(middle * scale))) for x in frame}
    assert seen == {(0xD9, 0x70, 0x2A)}


def test_sizes_count_people_and_nobody_else():
    plot = people_plots.cluster_sizes(np.array([1, 2, 2, 2, 4000]))
    heights = [bar.get_height() for bar in plot.figure.axes[0].patches]
    assert heights == [1, 3, 0, 0, 0, 1]

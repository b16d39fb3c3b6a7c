from __future__ import annotations

import io
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from facebatch.evaluate.detection import DetectionCurve, SizeRecall
from facebatch.evaluate.identification import score_identification
from facebatch.evaluate.pairs import score_pairs
from facebatch.report import projection
from facebatch.report.overview import Clustered
from facebatch.report.plots import figure

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'&]]>--><svg onload=x>",
    "$\\frac{1}$ _x_",
    "王小明 \u202eأحمد 👩🏽",
    "a\x00b\x1b[2J\nc",
    "x" * 5_000,
    "caf\udce9",
    "",
)
NAMESPACE = "http://www.w3.org/2000/svg"


def jpeg(shade=120, side=40):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 90, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def pair_scores(kind):
    random = np.random.default_rng(3)
    same = np.arange(400) % 2 == 0
    if kind == "perfect":
        distances = np.where(same, 0.1, 0.5) + random.uniform(0, 0.05, 400)
    else:
        distances = random.uniform(0, 1, 400)
    if kind == "missing":
        distances[::7] = np.nan
    if kind == "all missing":
        distances[:] = np.nan
    if kind == "one kind":
        same = np.ones(400, np.bool_)
    return distances, same, score_pairs(distances, same, np.arange(400) % 4)


def searches(kind):
    random = np.random.default_rng(4)
    distances = random.uniform(0.3, 0.6, (60, 6))
    truth = np.arange(60) % 7 - 1
    if kind == "no mated":
        truth[:] = -1
    if kind == "no strangers":
        truth = np.abs(truth)
    return distances, truth, score_identification(distances, truth)


def every_plot():
    distances, same, scores = pair_scores("random")
    _, _, identified = searches("random")
    side = figure.Side(HOSTILE, [jpeg(), None] * 4)
    matrix = np.linspace(0, 0.6, 64).reshape(8, 8)
    points = np.random.default_rng(5).normal(size=(50, 2))
    people = np.arange(50) % 9 - 1
    sizes = (SizeRecall(0, 16, 0, 0, None), SizeRecall(16, None, 5, 4, 0.8))
    curve = DetectionCurve(np.array([0.9, 0.5]), np.array([0.5, 1.0]), np.array([1.0, 0.6]))
    past = [Clustered(f"2026-01-0{day}", 100 * day, None, 0.4, 0.09) for day in (1, 2, 3)]
    return [
        figure.score_distributions(distances[same], distances[~same], 0.4),
        figure.roc(scores.curves),
        figure.det_pairs(scores.curves),
        figure.accuracy_f1(scores.curves, 0.4),
        figure.reliability(1 - distances, same),
        figure.cmc(identified.cmc),
        figure.det_identification(identified.det),
        figure.heatmap(matrix, side, side, ("rows", "columns")),
        figure.projection(points, people, HOSTILE, {3: jpeg(), 30: jpeg()}, "PCA"),
        figure.recall_by_size(sizes),
        figure.precision_recall(curve),
        figure.cluster_sizes(np.array([1, 2, 3, 40, 4000]), 12),
        figure.history(past),
    ]


def empty_plots():
    nothing = np.empty(0)
    _, _, missing = pair_scores("all missing")
    _, _, one_kind = pair_scores("one kind")
    _, _, no_mated = searches("no mated")
    _, _, no_strangers = searches("no strangers")
    no_side = figure.Side([], [])
    side = figure.Side(["a"], [None])
    return [
        figure.score_distributions(nothing, nothing, None),
        figure.score_distributions(np.array([0.0]), nothing, -np.inf),
        figure.roc(missing.curves),
        figure.roc(one_kind.curves),
        figure.det_pairs(missing.curves),
        figure.det_pairs(one_kind.curves),
        figure.accuracy_f1(missing.curves, None),
        figure.accuracy_f1(one_kind.curves, -np.inf),
        figure.reliability(nothing, nothing.astype(np.bool_)),
        figure.reliability(np.array([0.5]), np.array([True])),
        figure.cmc(no_mated.cmc),
        figure.det_identification(no_mated.det),
        figure.det_identification(no_strangers.det),
        figure.heatmap(np.empty((0, 0)), no_side, no_side, ("a", "b")),
        figure.heatmap(np.full((1, 1), np.nan), side, side, ("a", "b")),
        figure.heatmap(np.zeros((1, 1)), side, side, ("a", "b")),
        figure.projection(np.empty((0, 2)), np.empty(0, np.int64), [], {}, "PCA"),
        figure.projection(np.zeros((1, 2)), np.zeros(1, np.int64), ["a"], {0: jpeg()}, "PCA"),
        figure.recall_by_size([]),
        figure.precision_recall(DetectionCurve(nothing, nothing, nothing)),
        figure.cluster_sizes(np.empty(0, np.int64)),
        figure.history([]),
        figure.history([Clustered("2026-01-01", 0, None, 0.0, 0.0)]),
    ]


def texts(svg):
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter(f"{{{NAMESPACE}}}text")]


@pytest.mark.parametrize("make", [every_plot, empty_plots])
def test_plots_are_valid_scale_and_fetch_nothing(make):
    for plot in make():
        assert_valid(plot)


def assert_valid(plot):
    svg = plot.svg()
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{{{NAMESPACE}}}svg"
    assert root.get("viewBox")
    assert root.get("aria-label") == plot.title
    assert "width" not in root.attrib
    assert set(re.findall(r"https?://[^\"]*", svg)) == {NAMESPACE}
    for element in root.iter():
        assert element.tag.removeprefix(f"{{{NAMESPACE}}}") not in {"script", "style", "metadata"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name == "href":
                assert value.startswith(("#", "data:image/"))
            assert "url(" not in value or value.startswith(f"url(#{plot.name}-")


def test_references_inside_a_plot_lead_somewhere():
    for plot in every_plot():
        svg = plot.svg()
        ids = re.findall(r' id="([^"]*)"', svg)
        referred = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
        assert len(ids) == len(set(ids))
        assert {one or other for one, other in referred} == set(ids)


def test_plots_of_the_same_input_are_the_same_bytes():
    first, second = every_plot(), every_plot()
    assert [plot.svg() for plot in first] == [plot.svg() for plot in second]
    assert [plot.png() for plot in first] == [plot.png() for plot in second]
    assert first[0].svg() == first[0].svg()


@pytest.mark.parametrize("make", [every_plot, empty_plots])
def test_png_is_on_white_and_has_no_date(make):
    for plot in make():
        data = plot.png()
        assert b"tIME" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_colours_follow_the_page():
    svg = figure.cmc((0.5, 1.0)).svg()
    assert "currentColor" in svg
    assert "var(--plot-1" in svg
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', svg))
    assert colours <= {"#000000"}, "a fixed colour would vanish in the dark"


def test_names_are_text_and_short():
    _, heat, cloud = (plot.svg() for plot in every_plot()[6:9])
    for svg in (heat, cloud):
        assert any("<script>" in text for text in texts(svg))
        assert all(len(text) <= 40 for text in texts(svg))
        assert any("$" in text for text in texts(svg)), "names aren't formulas"
    assert any("a␀b␛[2J c" in text for text in texts(cloud))


def test_plots_stay_small_however_many_pairs_there_are():
    random = np.random.default_rng(0)
    same = np.arange(200_000) % 2 == 0
    distances = np.where(same, random.normal(0.2, 0.08, 200_000), random.normal(0.4, 0.08, 200_000))
    scores = score_pairs(np.abs(distances), same, np.zeros(200_000, np.int64))
    assert len(figure.roc(scores.curves).svg()) < 60_000
    assert len(figure.det_pairs(scores.curves).svg()) < 60_000
    assert len(figure.accuracy_f1(scores.curves, 0.3).svg()) < 60_000


def test_thumbnails_do_not_cover_each_other():
    points = np.random.default_rng(0).normal(size=(300, 2))
    pictures = {row: jpeg(row % 250) for row in range(300)}
    plot = figure.projection(points, np.full(300, -1), [], pictures, "PCA")
    assert 5 < len(plot.pictures) < 120
    for number, one in enumerate(plot.pictures):
        for other in plot.pictures[:number]:
            assert max(abs(one.x - other.x), abs(one.y - other.y)) >= one.side


def test_thumbnails_lie_in_the_colour_of_their_person():
    points = np.array([[0.0, 0.0], [5.0, 1.0], [2.0, 9.0]])
    plot = figure.projection(points, np.arange(3), ["a", "b", "c"], {1: jpeg()}, "PCA")
    (picture,) = plot.pictures
    with Image.open(io.BytesIO(plot.png())) as image:
        scale = image.width / (72 * plot.figure.get_size_inches()[0])
        middle = picture.y + picture.side / 2
        frame = [picture.x - 1, picture.x + picture.side + 1]
        seen = {image.getpixel((round(x * scale), round(middle * scale))) for x in frame}
    assert seen == {(0xD9, 0x70, 0x2A)}


def test_heatmap_is_cut_to_what_can_be_read():
    many = 60
    side = figure.Side([f"name {n}" for n in range(many)], [jpeg()] * many)
    plot = figure.heatmap(np.ones((many, many)), side, side, ("a", "b"))
    assert len(plot.pictures) == 2 * figure.HEATMAP_SIDE


def test_the_users_settings_change_nothing(monkeypatch):
    import matplotlib as mpl

    before = figure.cmc((0.5, 1.0)).svg()
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "text.usetex": True}):
        assert figure.cmc((0.5, 1.0)).svg() == before
        assert mpl.rcParams["font.size"] == 30
    assert "matplotlib.pyplot" not in sys.modules


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
    assert projection.methods(n) == ("PCA",)
    assert projection.project(np.eye(4, dtype=np.float32)[:n], "PCA", 0).shape == (n, 2)


def test_equal_faces_have_a_plane():
    for method in projection.methods(20):
        if method != "UMAP":
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

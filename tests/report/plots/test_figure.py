from __future__ import annotations

import io
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from support.evaluations import jpeg

from facebatch.evaluate.detection import DetectionCurve, SizeRecall
from facebatch.evaluate.identification import score_identification
from facebatch.evaluate.pairs import score_pairs
from facebatch.report.plots import detection as detection_plots
from facebatch.report.plots import heatmap as heatmaps
from facebatch.report.plots import people as people_plots
from facebatch.report.plots import verification as verification_plots
from facebatch.report.plots.data import Clustered

# Not every machine has fonts for every script; tests/faces/test_fonts.py is about those.
pytestmark = pytest.mark.filterwarnings(
    "ignore::facebatch.faces.fonts.MissingGlyph", "ignore:Glyph .* missing from"
)

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
    side = heatmaps.Side(HOSTILE, [jpeg(), None] * 4)
    matrix = np.linspace(0, 0.6, 64).reshape(8, 8)
    points = np.random.default_rng(5).normal(size=(50, 2))
    people = np.arange(50) % 9 - 1
    sizes = (SizeRecall(0, 16, 0, 0, None), SizeRecall(16, None, 5, 4, 0.8))
    curve = DetectionCurve(np.array([0.9, 0.5]), np.array([0.5, 1.0]), np.array([1.0, 0.6]))
    past = [Clustered(f"2026-01-0{day}", 100 * day, None, 0.4, 0.09) for day in (1, 2, 3)]
    return [
        verification_plots.score_distributions(distances[same], distances[~same], 0.4),
        verification_plots.roc(scores.curves),
        verification_plots.det_pairs(scores.curves),
        verification_plots.accuracy_f1(scores.curves, 0.4),
        verification_plots.reliability(1 - distances, same),
        verification_plots.cmc(identified.cmc),
        verification_plots.det_identification(identified.det),
        heatmaps.heatmap(matrix, side, side, ("rows", "columns")),
        people_plots.projection(points, people, HOSTILE, {3: jpeg(), 30: jpeg()}, "PCA"),
        detection_plots.recall_by_size(sizes),
        detection_plots.precision_recall(curve),
        people_plots.cluster_sizes(np.array([1, 2, 3, 40, 4000])),
        people_plots.history(past),
    ]


def empty_plots():
    nothing = np.empty(0)
    _, _, missing = pair_scores("all missing")
    _, _, one_kind = pair_scores("one kind")
    _, _, no_mated = searches("no mated")
    _, _, no_strangers = searches("no strangers")
    no_side = heatmaps.Side([], [])
    side = heatmaps.Side(["a"], [None])
    return [
        verification_plots.score_distributions(nothing, nothing, None),
        verification_plots.score_distributions(np.array([0.0]), nothing, -np.inf),
        verification_plots.roc(missing.curves),
        verification_plots.roc(one_kind.curves),
        verification_plots.det_pairs(missing.curves),
        verification_plots.det_pairs(one_kind.curves),
        verification_plots.accuracy_f1(missing.curves, None),
        verification_plots.accuracy_f1(one_kind.curves, -np.inf),
        verification_plots.reliability(nothing, nothing.astype(np.bool_)),
        verification_plots.reliability(np.array([0.5]), np.array([True])),
        verification_plots.cmc(no_mated.cmc),
        verification_plots.det_identification(no_mated.det),
        verification_plots.det_identification(no_strangers.det),
        heatmaps.heatmap(np.empty((0, 0)), no_side, no_side, ("a", "b")),
        heatmaps.heatmap(np.full((1, 1), np.nan), side, side, ("a", "b")),
        heatmaps.heatmap(np.zeros((1, 1)), side, side, ("a", "b")),
        people_plots.projection(np.empty((0, 2)), np.empty(0, np.int64), [], {}, "PCA"),
        people_plots.projection(np.zeros((1, 2)), np.zeros(1, np.int64), ["a"], {0: jpeg()}, "PCA"),
        detection_plots.recall_by_size([]),
        detection_plots.precision_recall(DetectionCurve(nothing, nothing, nothing)),
        people_plots.cluster_sizes(np.empty(0, np.int64)),
        people_plots.history([]),
        people_plots.history([Clustered("2026-01-01", 0, None, 0.0, 0.0)]),
    ]


@pytest.fixture(scope="module")
def drawn():
    """Every plot, drawn once: the plots, their SVGs and their PNGs."""
    plots = every_plot()
    return plots, [plot.svg() for plot in plots], [plot.png() for plot in plots]


@pytest.fixture(scope="module")
def drawn_empty():
    plots = empty_plots()
    return plots, [plot.svg() for plot in plots], [plot.png() for plot in plots]


def texts(svg):
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter(f"{{{NAMESPACE}}}text")]


@pytest.mark.parametrize("which", ["drawn", "drawn_empty"])
def test_plots_are_valid_scale_and_fetch_nothing(which, request):
    plots, svgs, _ = request.getfixturevalue(which)
    for plot, svg in zip(plots, svgs, strict=True):
        assert_valid(plot, svg)


def assert_valid(plot, svg):
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


def test_references_inside_a_plot_lead_somewhere(drawn):
    for svg in drawn[1]:
        ids = re.findall(r' id="([^"]*)"', svg)
        referred = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
        assert len(ids) == len(set(ids))
        assert {one or other for one, other in referred} == set(ids)


def test_plots_of_the_same_input_are_the_same_bytes(drawn):
    plots, svgs, pngs = drawn
    again = every_plot()
    assert [plot.svg() for plot in again] == svgs
    assert [plot.png() for plot in again] == pngs
    assert plots[0].svg() == svgs[0]


@pytest.mark.parametrize("which", ["drawn", "drawn_empty"])
def test_png_is_on_white_and_has_no_date(which, request):
    for data in request.getfixturevalue(which)[2]:
        assert b"tIME" not in data
        with Image.open(io.BytesIO(data)) as image:
            assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_colours_follow_the_page():
    svg = verification_plots.cmc((0.5, 1.0)).svg()
    assert "currentColor" in svg
    assert "var(--plot-1" in svg
    colours = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', svg))
    assert colours <= {"#000000"}, "a fixed colour would vanish in the dark"


def test_names_are_text_and_short(drawn):
    _, heat, cloud = drawn[1][6:9]
    for svg in (heat, cloud):
        assert any("<script>" in text for text in texts(svg))
        assert all(len(text) <= 40 for text in texts(svg))
        assert any("$" in text for text in texts(svg)), "names aren't formulas"
    assert any("a␀b␛[2J c" in text for text in texts(cloud))


def test_the_users_settings_change_nothing(monkeypatch):
    import matplotlib as mpl

    before = verification_plots.cmc((0.5, 1.0)).svg()
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "text.usetex": True}):
        assert verification_plots.cmc((0.5, 1.0)).svg() == before
        assert mpl.rcParams["font.size"] == 30
    assert "matplotlib.pyplot" not in sys.modules

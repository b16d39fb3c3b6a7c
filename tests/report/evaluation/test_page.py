from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebatch.evaluate.clusters import score_clusters
from facebatch.evaluate.detection import TruthFaces, score_detection
from facebatch.evaluate.identification import score_identification
from facebatch.evaluate.pairs import score_pairs
from facebatch.report.evaluation.content import explain
from facebatch.report.evaluation.page import ERRORS_SHOWN, render_evaluation, write_evaluation

HOSTILE = [
    """<script>alert("x")</script>'&.jpg""",
    "</style></svg><img src=http://evil.example/ onerror=alert(1)>",
    "$\\frac{1}$",
    "王小明 \u202eأحمد 👩🏽",
    "a\x1b[2J\x00b",
    "x" * 3_000,
    "caf\udce9.jpg",
]


def jpeg(shade=120):
    buffer = io.BytesIO()
    Image.new("RGB", (150, 150), (shade, 90, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def pairs(kind="random", n=400):
    random = np.random.default_rng(3)
    same = np.arange(n) % 2 == 0
    if kind == "perfect":
        distances = np.where(same, 0.1, 0.5) + random.uniform(0, 0.05, n)
    else:
        distances = np.where(same, 0.3, 0.5) + random.uniform(-0.3, 0.3, n)
    if kind == "missing":
        distances[::7] = np.nan
    if kind == "all missing":
        distances[:] = np.nan
    if kind == "one kind":
        same = np.ones(n, np.bool_)
    names = [f"{HOSTILE[row % len(HOSTILE)]}/{row}" for row in range(n)]
    details = {
        "distances": distances,
        "same": same,
        "pairs": [(names[row], names[n - 1 - row]) for row in range(n)],
        "chips": {name: jpeg(row % 250) for row, name in enumerate(names) if row % 3},
    }
    return score_pairs(distances, same, np.arange(n) % 4), details


def searches(kind="random"):
    random = np.random.default_rng(4)
    n, g = 300, 8
    truth = np.arange(n) % (g + 4) - 4
    truth[truth < 0] = -1
    distances = random.uniform(0.2, 0.6, (n, g))
    known = truth >= 0
    distances[known, truth[known]] -= 0.6 if kind == "perfect" else 0.15
    distances -= distances.min()
    if kind == "missing":
        distances[::9] = np.nan
        distances[:, 2] = np.nan
    if kind == "no mated":
        truth[:] = -1
    if kind == "no strangers":
        truth = np.abs(truth)
    names = [*HOSTILE, "Eve"]
    details = {
        "scores": distances,
        "truth": truth,
        "names": names,
        "probes": [f"{HOSTILE[row % len(HOSTILE)]}/{row}" for row in range(n)],
        "chips": {f"{HOSTILE[row % len(HOSTILE)]}/{row}": jpeg(row % 250) for row in range(n)},
        "gallery_chips": {name: jpeg(row) for row, name in enumerate(names[:-1])},
    }
    return score_identification(distances, truth), details


def clusters(kind="random"):
    truth = np.arange(90) % 6
    labels = {
        "random": np.where(np.arange(90) % 11 == 0, (truth + 1) % 6, truth),
        "perfect": truth,
        "one cluster": np.zeros(90, np.int64),
        "alone": np.full(90, -1),
        "nothing": np.empty(0, np.int64),
    }[kind]
    truth = truth[: len(labels)]
    return score_clusters(truth, labels), {"labels": labels, "truth": truth}


def detections(kind="random"):
    faces = 0 if kind == "no faces" else 1
    truth = {
        f"{row}.jpg": TruthFaces(
            np.array([[10, 10, 30 + row, 30 + row]], np.float32)[:faces],
            np.zeros(faces, np.bool_),
        )
        for row in range(0 if kind == "nothing" else 60)
    }
    found = {
        file: (
            np.array([[10.0, 10, 30, 30]])[: int(file[0] != "1")],
            np.array([0.9])[: int(file[0] != "1")],
        )
        for file in truth
    }
    return score_detection(truth, found), {}


CASES = [
    *(("pairs", pairs, kind) for kind in ("random", "perfect", "missing")),
    *(("pairs", pairs, kind) for kind in ("all missing", "one kind")),
    *(("identification", searches, kind) for kind in ("random", "perfect", "missing")),
    *(("identification", searches, kind) for kind in ("no mated", "no strangers")),
    *(("clusters", clusters, kind) for kind in ("random", "perfect", "one cluster")),
    *(("clusters", clusters, kind) for kind in ("alone", "nothing")),
    *(("detection", detections, kind) for kind in ("random", "no faces", "nothing")),
]


@pytest.fixture
def written(tmp_path, parsed):
    def write(kind, made, folder="out"):
        paths = write_evaluation(str(tmp_path / folder), kind, *made)
        return parsed(Path(paths[0]).read_text("utf-8")), [Path(path) for path in paths]

    return write


def assert_safe(page):
    assert not set(re.findall(r"https?://[^\"<> ]*", page.source)) - {
        "http://www.w3.org/2000/svg",
        "http://evil.example/",  # as text alone, which the elements below show
    }
    for name, attributes in page.elements:
        assert name not in {"script", "link", "iframe", "object", "base", "form"}
        for attribute, value in attributes.items():
            assert not attribute.startswith("on")
            assert attribute != "style"
            if attribute == "src":
                assert value.startswith("data:image/jpeg;base64,")
            if attribute == "href":
                assert value.startswith("data:image/" if name == "image" else "#")
    assert page.all("meta")[1]["content"].startswith("default-src 'none'; img-src data:;")


@pytest.mark.parametrize(("kind", "make", "case"), CASES)
def test_page_of_every_case_is_balanced_complete_and_safe(written, kind, make, case):
    page, paths = written(kind, make(case))
    assert page.source.startswith("<!DOCTYPE html>")
    assert_safe(page)
    assert len(page.all("svg")) == len(paths) - 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    assert paths[0].name == f"{kind}.html"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[1:])
    assert all(path.name.startswith(f"{kind}-") for path in paths[1:])


@pytest.mark.parametrize(("kind", "make", "case"), CASES)
def test_missing_details_leave_parts_out(parsed, kind, make, case):
    scores, details = make(case)
    full = render_evaluation(explain(kind, scores, details))
    for left_out in (*details, None):
        kept = {} if left_out is None else {k: v for k, v in details.items() if k != left_out}
        page = parsed(render_evaluation(explain(kind, scores, kept)))
        assert_safe(page)
        assert len(page.source) <= len(full) + 200
        assert page.all("table")


@pytest.mark.parametrize(
    ("kind", "make"), [(kind, make) for kind, make, case in CASES if case == "random"]
)
def test_same_evaluation_is_the_same_bytes(written, kind, make):
    _, first = written(kind, make(), "first")
    _, second = written(kind, make(), "second")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_names_and_paths_are_text(written):
    page, _ = written("identification", searches())
    for name in ("</style></svg><img src=http://evil.example/ onerror=alert(1)>", "$\\frac{1}$"):
        assert name in page.words
    assert "a\u241b[2J\u2400b" in page.words
    assert all(len(word) <= 3_100 for word in page.words)


def test_errors_are_the_worst_and_on_their_side_of_the_threshold(written):
    scores, details = pairs()
    page, _ = written("pairs", (scores, details))
    threshold = float(np.mean([fold.threshold for fold in scores.folds]))
    false = page.source.split('id="errors-0"')[1].split("</section>")[0]
    missed = page.source.split('id="errors-1"')[1].split("</section>")[0]
    shown = [
        [float(d) for d in re.findall(r"<h3>distance ([\d.]+)</h3>", part)]
        for part in (false, missed)
    ]
    distances, same = details["distances"], details["same"]
    wrong = np.sort(distances[~same & (distances <= threshold)])[:ERRORS_SHOWN]
    far = np.sort(distances[same & (distances > threshold)])[::-1][:ERRORS_SHOWN]
    assert shown[0] == pytest.approx(wrong.tolist(), abs=6e-4)
    assert shown[1] == pytest.approx(far.tolist(), abs=6e-4)


def test_perfect_scores_have_no_errors(written):
    page, _ = written("pairs", pairs("perfect"))
    assert "0 pairs. Two people, yet within" in page.text
    assert not page.all("article")
    page, _ = written("identification", searches("perfect"))
    assert "0 photos. Somebody else is nearest" in page.text


def test_missing_faces_are_named(written):
    scores, details = pairs("missing")
    page, _ = written("pairs", (scores, details))
    assert f"In {scores.missing} pairs of 400 a photo has no face." in page.text
    assert "Pairs without a face" in page.text


def test_a_threshold_chosen_on_itself_is_named(written):
    distances, same, _ = (pairs()[1][key] for key in ("distances", "same", "pairs"))
    scores = score_pairs(distances, same, np.zeros(400, np.int64))
    page, _ = written("pairs", (scores, {}))
    assert "The accuracy is therefore too good" in page.text


def test_rates_that_too_few_pairs_can_show_are_a_dash(written):
    page, _ = written("pairs", pairs())
    assert "TAR at FAR 1e-5 — Not known: 200 pairs of two people" in page.text


def test_nearly_all_is_not_all(written):
    truth = np.arange(4_000) // 2
    labels = truth.copy()
    labels[0] = 1
    page, _ = written("clusters", (score_clusters(truth, labels), {}))
    assert page.figure("precision of pairs") == "99.900\u00a0%"


def test_errors_shown_are_bounded(written):
    scores, details = pairs(n=4_000)
    page, paths = written("pairs", (scores, details))
    assert len(page.all("article")) <= 3 * ERRORS_SHOWN
    assert f"the worst {ERRORS_SHOWN} are shown" in page.text
    assert paths[0].stat().st_size < 1_000_000


def test_chips_that_cannot_be_read_are_left_out(written):
    scores, details = pairs()
    details["chips"] = dict.fromkeys(details["chips"], b"no JPEG")
    page, _ = written("pairs", (scores, details))
    assert not page.all("img")
    assert page.all("div", "none")


def test_gallery_photos_stand_for_the_people_by_path_too(written):
    scores, details = searches()
    del details["gallery_chips"]
    details["gallery"] = [f"gallery/{column}" for column in range(8)]
    without = len(written("identification", (scores, details), "a")[0].all("img"))
    details["chips"] |= {path: jpeg() for path in details["gallery"]}
    assert len(written("identification", (scores, details), "b")[0].all("img")) > without

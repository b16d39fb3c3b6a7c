from __future__ import annotations

import re

import numpy as np
import pytest
from support.evaluations import pairs

from facebatch.evaluate.pairs import score_pairs
from facebatch.report.evaluation.model import ERRORS_SHOWN


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

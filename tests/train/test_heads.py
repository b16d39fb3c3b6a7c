"""A head is accepted where it helps people whom it wasn't fitted on, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pytorch_metric_learning", reason="the extra train isn't installed")

from facebatch.errors import InputError
from facebatch.evaluate.pairs import score_pairs
from facebatch.train.heads import KINDS, apply_head, cross_validate, fit_head

D = 16
FITTED = ("whitening", "lda")


def faces(people: int, each: int, noise: np.ndarray, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Unit embeddings of people with directions at random, and noise of their own covariance."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, D))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    found = np.repeat(centres, each, axis=0)
    found = found + rng.normal(size=found.shape) @ noise
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32), [f"p{row // each:03}" for row in range(len(found))]


ROUND = 0.16 * np.eye(D)
"""Noise that is alike in all directions: nothing can be gained."""

FLAT = np.diag([0.9] * 3 + [0.05] * (D - 3))
"""Noise in three directions that say nothing of who it is, in everyone's faces."""


def test_a_head_that_takes_out_what_is_noise_in_everyone_is_accepted():
    embeddings, names = faces(60, 6, FLAT)
    verdicts = {one.kind: one for one in cross_validate(embeddings, names, FITTED)}
    assert verdicts["whitening"].is_better
    assert verdicts["lda"].is_better
    assert verdicts["whitening"].gain > 0.2
    assert verdicts["whitening"].low < verdicts["whitening"].gain < verdicts["whitening"].high


@pytest.mark.full
def test_where_nothing_can_be_gained_every_head_is_refused():
    embeddings, names = faces(40, 5, ROUND)
    verdicts = cross_validate(embeddings, names)
    assert [one.kind for one in verdicts] == list(KINDS)
    assert not any(one.is_better for one in verdicts)


def test_names_at_random_are_refused():
    embeddings, names = faces(40, 5, FLAT)
    mixed = np.random.default_rng(1).permutation(names).tolist()
    assert not any(one.is_better for one in cross_validate(embeddings, mixed, FITTED))


def test_the_tar_is_the_one_that_evaluations_give():
    embeddings, names = faces(40, 5, FLAT)
    (verdict,) = cross_validate(embeddings, names, kinds=("whitening",))
    for side, stated in (("before", verdict.before), ("after", verdict.after)):
        tars, weights = [], []
        for fold in verdict.folds:
            score = score_pairs(getattr(fold, side), fold.same, np.zeros(len(fold.same), int))
            tars.append({rate.far: rate.tar for rate in score.tar_at_far}[verdict.far])
            weights.append(fold.same.sum())
        assert stated == pytest.approx(np.average(tars, weights=weights), abs=1e-12)


def test_nobody_is_judged_by_a_head_that_was_fitted_to_them():
    embeddings, names = faces(20, 5, FLAT)
    (verdict,) = cross_validate(embeddings, names, kinds=("whitening",))
    seen = [set(np.union1d(fold.left, fold.right).tolist()) for fold in verdict.folds]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 20
    labels = np.repeat(np.arange(20), 5)
    out = np.isin(labels, [*seen[0]])
    again = apply_head(fit_head("whitening", embeddings[~out], labels[~out]), embeddings[out])
    wide = again.astype(np.float64)
    d2 = np.square(wide[:, None] - wide[None]).sum(axis=2)[np.triu_indices(len(wide), 1)]
    assert np.allclose(np.sort(d2), np.sort(verdict.folds[0].after))


def test_somebody_with_very_many_faces_makes_no_more_pairs_than_are_compared():
    few, names = faces(40, 3, ROUND)
    many, _ = faces(1, 700, ROUND, seed=1)
    verdicts = cross_validate(
        np.concatenate([few, many]), [*names, *["p999"] * 700], ("whitening",)
    )
    made = [(int(fold.same.sum()), int((~fold.same).sum())) for fold in verdicts[0].folds]
    assert max(same for same, _ in made) == 30_000  # of 244,650
    assert max(different for _, different in made) <= 30_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0.1, 7.0])
def test_a_head_knows_no_length(length, kind):
    embeddings, names = faces(12, 4, ROUND)
    head = fit_head(kind, embeddings, np.unique(names, return_inverse=True)[1])
    longer = apply_head(head, embeddings * np.float32(length))
    assert np.allclose(longer, apply_head(head, embeddings), atol=1e-4)


@pytest.mark.parametrize(
    ("people", "each", "says"),
    [
        (9, 5, "9 named people have two faces or more: a head needs 10"),
        (10, 2, "a head needs 100"),
    ],
)
def test_too_few_people_are_refused(people, each, says):
    embeddings, names = faces(people, each, ROUND)
    with pytest.raises(InputError, match=says):
        cross_validate(embeddings, names)

"""The open-set decision: what every method's scores say, and who is accepted."""

from __future__ import annotations

import io
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.synthetic import at_angles, d2_of_angle, people, unit

from facebatch.errors import SpaceMismatch, UsageError
from facebatch.identify import classifier, distances, svm
from facebatch.identify.classifier import METHODS, Model, accept, decide, fit, rank

DISTANCES = ("nearest", "centroid", "both")
EMBEDDINGS, TRUTH = people([6, 5, 5, 4, 3, 2], seed=4)
NAMES = [f"person {number}" for number in TRUTH]
PROBES, _ = people([3] * 4, seed=5)


@st.composite
def galleries(draw):
    """A gallery of distinct unit vectors and the names of their people."""
    raw = draw(arrays(np.int8, st.tuples(st.integers(1, 12), st.just(3)), unique=False))
    kept = np.unique(raw[np.abs(raw).sum(axis=1) > 0], axis=0)
    directions = np.unique(np.round(unit(kept.astype(float)), 5), axis=0) if len(kept) else kept
    if not len(directions):
        directions = np.array([[1.0, 0, 0]])
    names = draw(
        st.lists(st.sampled_from("abcd"), min_size=len(directions), max_size=len(directions))
    )
    return unit(directions), names


def by_hand(method, *, angles, names, probe, **options):
    model = fit(method, at_angles(*angles), names, **options)
    return dict(zip(model.people, model.scores(at_angles(probe))[0].tolist(), strict=True))


def test_nearest_is_the_distance_to_the_nearest_entry():
    scores = by_hand("nearest", angles=[0, 40, 90], names=["a", "a", "b"], probe=50)
    assert scores == pytest.approx({"a": d2_of_angle(10), "b": d2_of_angle(40)}, abs=1e-6)


def test_centroid_is_the_distance_to_the_mean_on_the_sphere():
    scores = by_hand("centroid", angles=[0, 40, 90], names=["a", "a", "b"], probe=50)
    assert scores == pytest.approx({"a": d2_of_angle(30), "b": d2_of_angle(40)}, abs=1e-6)


def test_both_is_the_lesser_of_the_two():
    options = {"angles": [0, 40, 80, 120], "names": ["a", "a", "b", "b"]}
    assert by_hand("both", **options, probe=20) == pytest.approx(
        {"a": d2_of_angle(0), "b": d2_of_angle(60)}, abs=1e-6
    )


def test_vote_is_four_less_the_votes_over_k():
    scores = by_hand("vote", angles=[0, 10, 30], names=["a", "b", "b"], probe=5, neighbors=2)
    near = d2_of_angle(5)
    assert scores == pytest.approx({"a": 4 - (4 - near) / 2, "b": 4 - (4 - near) / 2}, abs=1e-5)
    scores = by_hand("vote", angles=[0, 10, 90], names=["a", "a", "b"], probe=5, neighbors=2)
    assert scores == pytest.approx({"a": near, "b": 4.0}, abs=1e-5)


@given(galleries(), st.sampled_from(DISTANCES))
def test_an_entry_itself_is_nearest_to_its_own_person(gallery, method):
    embeddings, names = gallery
    one_each = {name: row for row, name in enumerate(names)}
    rows = sorted(one_each.values())
    # With one photo a person all three methods have the entry itself at distance 0.
    embeddings, names = embeddings[rows], [names[row] for row in rows]
    scores = fit(method, embeddings, names).scores(embeddings)
    order = sorted(names)
    for row, name in enumerate(names):
        own = scores[row, order.index(name)]
        assert own == pytest.approx(0, abs=1e-6)
        assert own == scores[row].min()


@given(galleries(), galleries())
def test_nobody_is_nearer_than_an_identical_embedding(gallery, probes):
    embeddings, names = gallery
    scores = fit("nearest", embeddings, names).scores(embeddings)
    own = scores[np.arange(len(names)), [sorted(set(names)).index(name) for name in names]]
    np.testing.assert_array_equal(own, 0)
    assert (fit("nearest", embeddings, names).scores(probes[0]) >= 0).all()


@given(galleries(), galleries())
def test_with_one_photo_a_person_centroid_is_nearest(gallery, probes):
    embeddings, _ = gallery
    names = [str(row) for row in range(len(embeddings))]
    one, other = (fit(method, embeddings, names) for method in ("nearest", "centroid"))
    np.testing.assert_allclose(one.scores(probes[0]), other.scores(probes[0]), atol=1e-6)


@given(galleries(), galleries(), st.randoms(use_true_random=False))
def test_the_order_of_the_entries_does_not_matter(gallery, probes, random):
    embeddings, names = gallery
    order = list(range(len(names)))
    random.shuffle(order)
    for method in (*DISTANCES, "vote", "knn"):
        one = fit(method, embeddings, names)
        other = fit(method, embeddings[order], [names[row] for row in order])
        np.testing.assert_array_equal(one.scores(probes[0]), other.scores(probes[0]))
        np.testing.assert_array_equal(one.entries, other.entries)


@pytest.mark.parametrize("method", METHODS)
def test_known_people_are_found_and_strangers_lie_farther(method):
    embeddings, truth = people([12] * 5, seed=3)
    known = truth < 4
    held_out = np.zeros(len(truth), bool)
    for person in range(4):
        held_out[np.flatnonzero(truth == person)[:3]] = True
    gallery = known & ~held_out
    model = fit(method, embeddings[gallery], [str(person) for person in truth[gallery]])
    found = model.decide(embeddings[held_out], np.inf)
    assert np.mean(found.person == truth[held_out]) >= 0.9
    strangers = model.decide(embeddings[~known], np.inf)
    assert np.median(found.score) < np.median(strangers.score)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_do_not_change_a_score(method, monkeypatch):
    model = fit(method, EMBEDDINGS, NAMES)
    whole, best = model.scores(PROBES), model.best(PROBES, 3)
    monkeypatch.setattr(classifier, "_BLOCK_BYTES", 1)
    np.testing.assert_array_equal(model.scores(PROBES), whole)
    np.testing.assert_array_equal(model.best(PROBES, 3).people, best.people)
    np.testing.assert_array_equal(best.scores, np.sort(whole, axis=1)[:, :3])


@pytest.mark.parametrize("method", METHODS)
def test_no_probes_give_no_scores(method):
    model = fit(method, EMBEDDINGS, NAMES)
    assert model.scores(EMBEDDINGS[:0]).shape == (0, 6)
    assert model.decide(EMBEDDINGS[:0], 1.0).person.shape == (0,)


def test_a_threshold_accepts_what_is_exactly_on_it():
    scores = np.array([[0.3, 0.1], [0.2, 0.3], [0.4, 0.4]], np.float32)
    made = decide(scores, 0.2)
    assert made.person.tolist() == [1, 0, -1]
    assert made.score.tolist() == pytest.approx([0.1, 0.2, 0.4])
    assert made.runner_up.tolist() == pytest.approx([0.3, 0.3, 0.4])


def test_the_only_person_has_no_runner_up():
    made = fit("nearest", at_angles(0), ["a"]).decide(at_angles(0, 90), 0.5)
    assert made.person.tolist() == [0, -1]
    assert np.isinf(made.runner_up).all()


@pytest.mark.parametrize("method", [*DISTANCES, "vote", "knn"])
def test_ties_go_to_the_smaller_name(method):
    for names in (["b", "a", "c"], ["c", "b", "a"]):
        model = fit(method, at_angles(0, 0, 0), names)
        best = model.best(at_angles(7), 3)
        assert [model.people[number] for number in best.people[0]] == ["a", "b", "c"]


@given(
    arrays(
        np.float32, st.tuples(st.integers(0, 4), st.integers(1, 5)), elements=st.integers(-3, 3)
    ),
    st.integers(1, 6),
)
def test_rank_sorts_stably(scores, k):
    best = rank(scores, k)
    order = np.argsort(scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(best.people, order)
    np.testing.assert_array_equal(best.scores, np.take_along_axis(scores, order, 1))


def test_accept_takes_a_rank_of_one():
    made = accept(rank(np.array([[0.1, 0.2]], np.float32), 1), 0.15)
    assert made.person.tolist() == [0]
    assert np.isinf(made.runner_up).all()


@pytest.mark.parametrize("sizes", [[6, 5], [6, 5, 4, 3]])
def test_svm_is_scikit_learns(sizes):
    from sklearn.svm import LinearSVC

    embeddings, truth = people(sizes, seed=6)
    names = [f"{person}" for person in truth]
    model = fit("svm", embeddings, names)
    theirs = LinearSVC(C=svm._SVM_C, dual=True, random_state=0, max_iter=10_000)
    theirs.fit(model.entries, model.person)
    decision = theirs.decision_function(PROBES)
    if len(sizes) == 2:
        decision = np.stack([-decision, decision], axis=1)
    np.testing.assert_allclose(model.scores(PROBES), -decision, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.best(PROBES, 1).people[:, 0], theirs.predict(PROBES))


@pytest.mark.parametrize("neighbors", [1, 3, 5, 100])
def test_knn_is_scikit_learns(neighbors):
    from sklearn.neighbors import KNeighborsClassifier

    model = fit("knn", EMBEDDINGS, NAMES, neighbors=neighbors)
    theirs = KNeighborsClassifier(min(neighbors, len(NAMES)), weights="distance")
    theirs.fit(EMBEDDINGS.astype(np.float64), NAMES)
    for probes in (PROBES, EMBEDDINGS):
        shares = theirs.predict_proba(probes.astype(np.float64))
        np.testing.assert_allclose(model.scores(probes), 1 - shares, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_from_its_arrays_gives_the_same_scores(method):
    model = fit(method, EMBEDDINGS, [f"Zoë {name}\n日本_x" for name in NAMES])
    sink = io.BytesIO()
    np.savez(sink, **model.to_arrays())
    with np.load(io.BytesIO(sink.getvalue()), allow_pickle=False) as stored:
        back = Model.from_arrays(stored)
    assert (back.method, back.people, back.neighbors) == (
        model.method,
        model.people,
        model.neighbors,
    )
    np.testing.assert_array_equal(back.scores(PROBES), model.scores(PROBES))


@pytest.mark.parametrize("missing", ["header", "entries", "person", "centres", "offsets"])
def test_arrays_that_are_no_model_are_refused(missing):
    whole = fit("centroid", EMBEDDINGS, NAMES).to_arrays()
    with pytest.raises(ValueError, match="not the arrays of a model"):
        Model.from_arrays({name: array for name, array in whole.items() if name != missing})
    if missing != "header":
        with pytest.raises(ValueError, match="don't fit"):
            Model.from_arrays({**whole, missing: whole[missing][1:]})


def test_scikit_learn_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(UsageError, match=r"facebatch\[classifiers\]"):
        fit("svm", EMBEDDINGS, NAMES)
    fit("knn", EMBEDDINGS, NAMES).scores(PROBES)


def test_svm_needs_two_people():
    with pytest.raises(UsageError, match="two or more"):
        fit("svm", EMBEDDINGS[:3], ["a"] * 3)


@pytest.mark.parametrize(
    ("method", "rows", "options", "message"),
    [
        ("nonsense", slice(None), {}, "no method 'nonsense'"),
        ("nearest", slice(0), {}, "empty"),
        ("vote", slice(None), {"neighbors": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(method, rows, options, message):
    with pytest.raises(UsageError, match=message):
        fit(method, EMBEDDINGS[rows], NAMES[rows], **options)


def test_names_must_fit_the_embeddings():
    with pytest.raises(ValueError, match="names"):
        fit("nearest", EMBEDDINGS, NAMES[1:])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 2.0])
def test_embeddings_that_are_not_of_length_one_are_refused(value):
    wrong = EMBEDDINGS.copy()
    wrong[1] = value
    with pytest.raises(UsageError, match="entry 1 has length"):
        fit("nearest", wrong, NAMES)
    with pytest.raises(UsageError, match="probe 1 has length"):
        fit("nearest", EMBEDDINGS, NAMES).scores(wrong)


def test_probes_of_another_dimension_are_refused():
    with pytest.raises(SpaceMismatch, match="128 dimensions"):
        fit("nearest", EMBEDDINGS, NAMES).scores(at_angles(0))


def test_entries_hash_follows_names_and_embeddings():
    hashes = [
        classifier.entries_hash(EMBEDDINGS, NAMES),
        classifier.entries_hash(EMBEDDINGS, NAMES[::-1]),
        classifier.entries_hash(EMBEDDINGS[:-1], NAMES[:-1]),
        classifier.entries_hash(-EMBEDDINGS, NAMES),
    ]
    assert Counter(hashes).most_common(1)[0][1] == 1
    assert hashes[0] == classifier.entries_hash(EMBEDDINGS.copy(), np.array(NAMES).tolist())


def test_equal_entries_are_at_zero_in_any_precision_of_the_probe():
    assert (distances.squared_distances(EMBEDDINGS, EMBEDDINGS).diagonal() == 0).all()

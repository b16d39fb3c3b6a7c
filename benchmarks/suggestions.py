"""What answers to suggestions are worth: questions against pairwise recall and precision.

    python benchmarks/suggestions.py [COLLECTION]... [--embeddings FILE]... [--questions 500]

An oracle answers: two people are one if most of their faces are the same person's, and a face is
somebody's if it is the person of most of theirs. A yes is a merger or an assignment, a no keeps
both apart, and the suggestions follow each answer. The collections hold one folder a person
(``people_by_folder.py`` says which face is meant; questions about other faces aren't asked); they
are copied, and clustered anew. A file holds embeddings without averaging, .npz with ``emb`` and
``label``, of dlib-resnet. Three orders are compared: the product's, by the root of the pairs of
faces that a yes is expected to join; by the smaller one's faces; and by the pairs.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from likelihoods import from_file
from nightly import commit
from people_by_folder import central_faces

from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.people import edit
from facebatch.people.deciding import People
from facebatch.stages import cluster_people
from facebatch.stages.judged import Suggestion
from facebatch.stages.suggestions import Suggester

SHOWN = (0, 5, 10, 20, 50, 100, 200, 300, 500, 1000)
_AT_ONCE = 50

Truth = npt.NDArray[np.int64]
Worth = Callable[[Suggestion, Suggester], float]


def by_faces(one: Suggestion, suggester: Suggester) -> float:
    """Returns the faces that a question is expected to bring: those of the smaller one."""
    if one.kind != "people":
        return one.probability
    clusters = [suggester.people.known[who].cluster for who in (one.person_id, one.other)]
    return one.probability * int(suggester.groups.sizes[clusters].min())


def by_pairs(one: Suggestion, _: Suggester) -> float:
    """Returns the pairs of faces that a question is expected to bring."""
    return one.probability * one.gain


def by_worth(one: Suggestion, _: Suggester) -> float:
    """Returns what the product orders questions by."""
    return one.worth


@contextmanager
def copied(url: str) -> Iterator[tuple[People, Truth]]:
    """Gives the people of a copy that is clustered anew, and the person of each face, or -1."""
    derived = shutil.ignore_patterns("clusters", "people", "events", "decisions", "index")
    with tempfile.TemporaryDirectory() as folder:
        place = shutil.copytree(url, Path(folder) / "copy", ignore=derived)
        collection = Collection.open(str(place))
        cluster_people(collection, collection.snapshot())
        people = People.of(collection)
        rows, folders = central_faces(collection)
        truth = np.full(len(people.face_ids), -1, np.int64)
        truth[rows] = np.unique(folders, return_inverse=True)[1]
        yield people, truth


@contextmanager
def made(path: str) -> Iterator[tuple[People, Truth]]:
    """Gives the same of a file of embeddings."""
    faces = from_file(path, "dlib-resnet")
    with tempfile.TemporaryDirectory() as folder:
        settings = ExtractSettings(embedder="dlib-resnet", tta="none")
        collection = Collection.create(f"{folder}/collection", settings)
        known = dict(
            zip(commit(collection, faces.embeddings, 0), faces.people.tolist(), strict=True)
        )
        cluster_people(collection, collection.snapshot())
        people = People.of(collection)
        yield people, np.array([known[face.tobytes()] for face in people.face_ids])


def person_of(people: People, who: bytes, truth: Truth) -> int:
    """Returns whom most of a person's faces show; -1 where nobody knows."""
    theirs = truth[people.labels == people.known[who].cluster]
    theirs = theirs[theirs >= 0]
    return int(np.bincount(theirs).argmax()) if len(theirs) else -1


def answers(people: People, one: Suggestion, truth: Truth) -> bool | None:
    """Returns what the oracle says; None where nobody knows."""
    first, other = (
        person_of(people, who, truth) if who in people.known else int(truth[people.places.row(who)])
        for who in (one.person_id, one.other)
    )
    return None if min(first, other) < 0 else first == other


def take(people: People, one: Suggestion, same: bool) -> People:
    """Returns the people when a question was answered."""
    taking = people.collecting()
    first, other = one.person_id.hex(), one.other.hex()
    if not same:
        outcome = edit.keep_apart(taking, first, other)
    elif one.kind != "face":
        outcome = edit.merge_people(taking, first, [other])
    else:
        outcome = edit.assign_faces(taking, first, [other])
    return people.following(outcome.decision)


def ask(
    people: People, truth: Truth, most: int, worth: Callable[[Suggestion, Suggester], float]
) -> None:
    """Asks the most promising questions, and prints the scores on the way."""
    known, asked, yes, begun = truth >= 0, 0, 0, time.perf_counter()
    suggester, unknown = Suggester.of(people), set()

    def show() -> None:
        scores = pairwise_scores(truth[known], people.labels[known])
        print(f"| {asked:,} | {yes:,} | {scores.recall:.3f} | {scores.precision:.3f} |")

    print("| questions | yes | recall | precision |\n|---|---|---|---|")
    show()
    while asked < most:
        best = suggester.best(10**6, loose=True)
        best.sort(key=lambda one: -worth(one, suggester))
        for one in best:
            if (one.person_id, one.other) in unknown:
                continue
            same = answers(people, one, truth)
            if same is not None:
                break
            unknown.add((one.person_id, one.other))
        else:
            break
        people = take(people, one, same)
        suggester = suggester.following(people)
        asked, yes = asked + 1, yes + same
        if asked in SHOWN:
            show()
    print(f"{asked:,} questions in {time.perf_counter() - begun:.0f} s")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("collection", nargs="*")
    parser.add_argument("--embeddings", action="append", default=[])
    parser.add_argument("--questions", type=int, default=500)
    arguments = parser.parse_args()
    sources = [(url, copied) for url in arguments.collection]
    sources += [(path, made) for path in arguments.embeddings]
    for source, opened in sources:
        with opened(source) as (people, truth):
            for order in (by_worth, by_faces, by_pairs):
                print(f"\n{Path(source).name}, {order.__name__.replace('_', ' ')}:")
                ask(people, truth, arguments.questions, order)


if __name__ == "__main__":
    main()

"""Clusterings and people for tests of identity over generations, by small numbers."""

from dataclasses import replace

import numpy as np

from facebatch import tables
from facebatch.ids import as_array
from facebatch.people import Clustering
from facebatch.people.identity import carry_over
from facebatch.people.records import persons


def ids(*numbers):
    """Returns face ids in ascending order; the last byte is 0, which NumPy's S16 would drop."""
    return as_array(number.to_bytes(15, "big") + b"\0" for number in numbers)


def clustering(labels, people=(), faces=None):
    faces = ids(*(range(len(labels)) if faces is None else faces))
    return Clustering(faces, np.array(labels, np.int32), people)


def step(labels, previous, generation="g2", faces=None):
    now = clustering(labels, faces=faces)
    return carry_over(now.face_ids, now.labels, previous, generation)


def found(labels, names=(), generation="g1", faces=None):
    """Returns a first generation; ``names`` are those of clusters 0, 1, ..."""
    by_cluster = dict(enumerate(names))
    people = tuple(
        replace(person, name=by_cluster.get(person.cluster))
        for person in step(labels, None, generation, faces)
    )
    return clustering(labels, people, faces)


def read_people(collection, generation):
    """Returns everyone whom a people generation knows, whether or not it is the current one."""
    path = f"{generation.folder}/people.parquet"
    return persons(tables.read(collection.storage, path, "people"))

"""Hyperplanes that part each person of a gallery from all others, by scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np

from facebatch.errors import UsageError
from facebatch.identify.distances import Doubles, Floats, Numbers

_SVM_C = 100.0
"""Of 1, 10, 100 and 1,000 the one that found most people at FPIR 1 % (.89; .37 at 1) on the 126
people of LFW's View 1 test set who have three photos or more: embeddings differ by little, so that
a hyperplane needs weights larger than scikit-learn's default allows."""

_SVM_PASSES = 10_000


def train_svm(entries: Floats, person: Numbers, n_people: int) -> tuple[Doubles, Doubles]:
    """Trains a LinearSVC, one person against the rest.

    Args:
        entries: (n, d) float32, rows of length 1.
        person: (n,) int32, the person of each, from 0 without gaps.
        n_people: How many people they are.

    Returns:
        The hyperplanes' normals (people, d) and intercepts (people,), float64.

    Raises:
        UsageError: There are fewer than two people, or there is no scikit-learn.
    """
    if n_people < 2:
        raise UsageError("method svm parts people from each other: it needs two or more of them")
    try:
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise UsageError(
            "method svm needs scikit-learn: pip install 'facebatch[classifiers]'"
        ) from error
    with warnings.catch_warnings():
        # That many people have few photos is what galleries are like.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        trained = LinearSVC(C=_SVM_C, dual=True, random_state=0, max_iter=_SVM_PASSES)
        trained.fit(entries, person)
    normals, offsets = trained.coef_.astype(np.float64), trained.intercept_.astype(np.float64)
    if n_people == 2:  # one hyperplane parts the two, the second person being its positive side
        return np.concatenate([-normals, normals]), np.concatenate([-offsets, offsets])
    return normals, offsets

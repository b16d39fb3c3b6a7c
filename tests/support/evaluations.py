"""Scores of made-up evaluations with the details that their pages show, in hostile names."""

from __future__ import annotations

import numpy as np
from PIL import Image
from support.pictures import encode

from facebatch.evaluate.clusters import score_clusters
from facebatch.evaluate.detection import TruthFaces, score_detection
from facebatch.evaluate.identification import score_identification
from facebatch.evaluate.pairs import score_pairs

HOSTILE = [
    """<script>alert("x")</script>'&.jpg""",
    "</style></svg><img src=http://evil.example/ onerror=alert(1)>",
    "$\\frac{1}$",
    "王小明 \u202eأحمد 👩🏽",
    "a\x1b[2J\x00b",
    "x" * 3_000,
    "caf\udce9.jpg",
]


def jpeg(shade=120, side=150):
    return encode(Image.new("RGB", (side, side), (shade, 90, 60)))


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
        "unclustered": np.full(90, -1),
        "nothing": np.empty(0, np.int64),
    }[kind]
    truth = truth[: len(labels)]
    details = {
        "labels": labels,
        "truth": truth,
        "names": HOSTILE[:6],
        "photos": [f"photos/{row}.jpg" for row in range(len(labels))],
        "chips_of": lambda photos: dict.fromkeys(photos, jpeg()),
    }
    return score_clusters(truth, labels), details


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

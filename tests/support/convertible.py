"""An album as if it had been extracted with another embedder, and its conversion back."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from facebatch import tables
from facebatch.collection import Collection
from facebatch.config import RunSettings
from facebatch.extract.rows import chip_jpeg
from facebatch.faces.align import TEMPLATES, chip_matrices, recut_chip
from facebatch.jobs.convert import Conversion, planned, run_convert
from facebatch.people.edit import People, list_people, name_person
from facebatch.stages import cluster_people

HERE = RunSettings(workers=1, beam_options=("--direct_running_mode=in_memory",))
NAME = "Ada"


def in_wider_chips(faces: pa.Table) -> pa.Table:
    """Face rows with the chips of arcface's template, which show most of what dlib's do."""
    template = TEMPLATES["arcface-112"]
    landmarks = tables.matrix(faces["landmarks"]).reshape(-1, 5, 2)
    wanted = chip_matrices(landmarks, template)
    stored = tables.matrix(faces["chip_to_picture"]).reshape(-1, 2, 3)
    pixels = [
        np.asarray(Image.open(io.BytesIO(chip)).convert("RGB"))
        for chip in faces["chip"].to_pylist()
    ]
    cut = [
        chip_jpeg(recut_chip(*each, template.size))
        for each in zip(pixels, stored, wanted, strict=True)
    ]
    for name, values in (
        ("chip", pa.array(cut, pa.binary())),
        ("chip_to_picture", tables.vectors(wanted.reshape(-1, 6))),
    ):
        faces = faces.set_column(faces.schema.get_field_index(name), name, values)
    return faces


def make_convertible(place: Path, undisturbed: Collection) -> None:
    """Makes the album as if mobilefacenet had been its embedder: its chips, whatever embeddings.

    Its people are those of the album; one of them has a name.
    """
    settings = replace(undisturbed.settings, embedder="mobilefacenet")
    source = Collection.create(str(place / "source"), settings)
    for shard in undisturbed.snapshot().shards:
        media, faces = (
            tables.read(undisturbed.storage, f"{table}/{shard}.parquet", table)
            for table in ("media", "faces")
        )
        source.commit_shard(shard, media, in_wider_chips(faces), keep_times=True)
    for file in undisturbed.storage.files(""):
        if file.path.endswith("sources.json"):
            source.storage.write("sources.json", undisturbed.storage.read("sources.json"))
    clusters = undisturbed.current("clusters")
    assert clusters is not None
    cluster_people(source, source.snapshot(), tau=1.1 * clusters.manifest.tau)
    people = People.of(source)
    name_person(people, list_people(people, hidden=False)[0]["person_id"], NAME)
    cluster_people(source, source.snapshot())


def convert(source: Collection, url: str) -> Conversion:
    target = planned(source, url, "dlib-resnet", HERE)
    return run_convert(source, target, HERE, lambda progress: None)

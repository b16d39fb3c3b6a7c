"""The stages after extraction, from tables to tables: index, matches, then clusters and people.

Each reads one snapshot and writes one generation around a pure function of another module. A
stage whose faces and settings are those of its current generation does nothing.
"""

from facebatch.identify.query import DEFAULT_FDR, DEFAULT_FPIR, IdentificationQuery
from facebatch.stages.clusters import SCRATCH_ADVICE_GROWTH
from facebatch.stages.common import StageResult, good_faces
from facebatch.stages.index import build_index
from facebatch.stages.matches import identify_faces
from facebatch.stages.pairs import likely_pairs
from facebatch.stages.people import cluster_people

__all__ = [
    "DEFAULT_FDR",
    "DEFAULT_FPIR",
    "SCRATCH_ADVICE_GROWTH",
    "IdentificationQuery",
    "StageResult",
    "build_index",
    "cluster_people",
    "good_faces",
    "identify_faces",
    "likely_pairs",
]

"""Training embedders: networks from chips of named people, heads on embeddings, both as ONNX.

It reads chips and names as arrays and writes files into a folder; it knows nothing of photos or
pipelines. Torch and pytorch-metric-learning are imported by the modules that compute with them, and
not by this one, `settings`, `people` or `heads`.
"""

from facebatch.train.people import NamedChips, Split, split_people
from facebatch.train.settings import TrainSettings

__all__ = ["NamedChips", "Split", "TrainSettings", "split_people"]

"""Naming faces by a gallery: enrolment, open-set classifiers, thresholds and their calibration.

A `Gallery` holds named embeddings; ``enrol`` chooses them, ``classifier`` compares faces with them,
and a `Calibration` says which threshold lets which share of impostors pass.
"""

from facebatch.identify.calibration import Calibration
from facebatch.identify.gallery import Gallery

__all__ = ["Calibration", "Gallery"]

"""Pages of evaluations: what they say of each kind, and how they are written with their plots."""

from facebatch.report.evaluation.model import Kind, Scores
from facebatch.report.evaluation.page import write_evaluation
from facebatch.report.evaluation.results import summarise, write

__all__ = ["Kind", "Scores", "summarise", "write", "write_evaluation"]

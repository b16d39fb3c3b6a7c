"""Plots of results: from arrays and result dataclasses to SVG for pages and PNG for papers.

All modules but `data` import matplotlib, which nothing else does: import them where a plot is made
and not before.
"""

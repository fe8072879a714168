"""Figures from result files: one style, PNG for the eye and SVG for papers.

Each `plot_*` function reads a result file, draws one figure and writes it as PNG and SVG. What is
drawn is made by a `*_figure` function from plain values: it can be looked at without a file.
"""

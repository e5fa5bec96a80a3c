"""Figures of a comparison: heatmaps, matches, curves, agreements, sweeps."""

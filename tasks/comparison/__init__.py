"""Comparison of layers: one module per kind of measure, block by block where there are many."""

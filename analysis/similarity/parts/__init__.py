"""Similarity of parts of a layer: heads of an attention, single tokens."""

"""Nearest layers of a store: by signatures, by sketches, by an index."""

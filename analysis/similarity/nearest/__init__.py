"""Nearest layers: exactly by signatures, approximately by sketches and an index."""

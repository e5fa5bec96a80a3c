"""Anatomy: one module per analysis of a network, and the step that runs it."""

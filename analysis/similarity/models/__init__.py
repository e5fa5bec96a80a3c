"""Similarity of whole models: aggregates, clustering, PERMANOVA, classical scaling."""

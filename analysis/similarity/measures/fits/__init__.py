"""Measures that fit one tap to another: canonical correlations, Procrustes, predictivity."""

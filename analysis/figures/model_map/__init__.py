"""Figures of the map: whole models, factors, and all layers in the plane."""

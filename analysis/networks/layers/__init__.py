"""Layers of a network: hook points, patterns over their names, layouts of their axes."""

"""Probes: how well a linear classifier does on the features of a tap."""

"""The report on whole models and the map of their layers."""

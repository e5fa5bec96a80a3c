"""The report on a comparison of layers."""

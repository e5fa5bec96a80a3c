"""The report on what happens inside networks."""

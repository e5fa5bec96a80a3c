"""The report on trained zoo networks."""

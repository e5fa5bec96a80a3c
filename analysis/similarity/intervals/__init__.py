"""Delete-one jackknife intervals, and the ceilings that seeds give."""

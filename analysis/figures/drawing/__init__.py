"""How figures look, their layer axes, and their bytes."""

"""Style of figures, their layer axes, and their rendering."""

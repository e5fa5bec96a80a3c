"""Exchange of signatures and sketches with other groups."""

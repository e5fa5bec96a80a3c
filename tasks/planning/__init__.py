"""Planning: what a study's models are, what it costs, and whether it fits, before anything runs."""

"""Recording: forward passes, and what is kept of the activations."""

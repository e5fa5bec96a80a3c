"""Recording: forward passes, and the sinks that keep activations, signatures or sketches."""

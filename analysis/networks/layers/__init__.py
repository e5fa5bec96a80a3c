"""Where activations are read: hook points, patterns over their names, token layouts."""

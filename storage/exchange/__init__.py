"""Signatures and sketches given to other groups, and received from them."""

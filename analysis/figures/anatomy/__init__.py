"""Figures of what happens inside networks: fields, heads, tokens, panels along depth."""

"""Anatomy of a network: attention, receptive fields, residual sums, ablation."""

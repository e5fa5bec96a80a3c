"""What happens inside a network: attention, receptive fields, residual sums, ablation."""

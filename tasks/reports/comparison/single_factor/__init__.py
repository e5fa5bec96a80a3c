"""Report sections on models that differ in a single factor: skips, data, fine-tuning."""

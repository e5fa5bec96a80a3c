"""The study file: models, settings, reading, and its reference page."""

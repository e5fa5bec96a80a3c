"""Forward passes with hooks: recorded activations, their reductions and Grams."""

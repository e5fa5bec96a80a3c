"""Reading activations with hooks, and reducing them to what is compared."""

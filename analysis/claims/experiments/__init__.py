"""The claims experiment by experiment: which numbers of which networks each is judged by."""

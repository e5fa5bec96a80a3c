"""Building networks and loading their weights."""

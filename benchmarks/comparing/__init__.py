"""Speed and memory of comparing layers: pairs of models, all pairs, nearest layers."""

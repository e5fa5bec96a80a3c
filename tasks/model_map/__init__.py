"""From similarities of layers to similarities of models, and a map of all layers."""

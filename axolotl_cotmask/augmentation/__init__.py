"""Data made from a model's own samples: rejection-sampling rows, preference pairs."""

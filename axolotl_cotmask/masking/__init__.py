"""The method, on tensors and text: which positions are noised, when, with what, and what of it counts. No Axolotl."""

"""What a noised position becomes."""

"""Measures of what a model attends to while it reasons."""

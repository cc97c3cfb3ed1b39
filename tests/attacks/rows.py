"""Rows (to come)."""

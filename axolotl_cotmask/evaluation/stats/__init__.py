"""Intervals, tests, and the rule that a claim is judged by."""

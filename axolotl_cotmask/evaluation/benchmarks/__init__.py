"""Benchmarks of our own making, and those whose scores take more than an answer rule."""

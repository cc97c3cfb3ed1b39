"""What lm-eval calls, what it wrote, and what follows from it."""

"""The paper as data: runs, scores, ablations."""

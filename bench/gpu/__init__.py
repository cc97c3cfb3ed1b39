"""What to run the moment a GPU is at hand: `python -m bench.gpu` (README.md beside this file)."""

import os

# Everything is read from this machine, and no hub is asked.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

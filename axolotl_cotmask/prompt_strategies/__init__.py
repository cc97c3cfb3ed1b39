"""Data rows to marked token sequences: one module per data format, named as the data set's ``type`` in the config."""

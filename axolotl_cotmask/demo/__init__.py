"""The demonstration's parts: a procedural data set, a tiny model and a report; nothing here is needed to train."""

"""The laptop reproduction: what of the paper a model of half a million parameters can show. See ``Snakefile``."""

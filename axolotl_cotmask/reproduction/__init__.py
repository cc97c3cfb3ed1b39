"""The harness: from a name to runs, and from runs to verdicts and a report. The engine is Snakemake."""

"""Snakemake's logger plugin of the harness: its events as JSON lines on standard output, for `reproduction.progress`.

Snakemake finds it by its name on PYTHONPATH, in its own environment, where this package is not installed.
"""

from __future__ import annotations

import json
import sys
from logging import INFO, LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase

# What is told of an event, besides its name.
_FIELDS = ("jobid", "job_id", "rule_name", "rule_msg", "log", "stats", "exception")


class LogHandler(LogHandlerBase):
    """Writes a line for each event, and for each message of level INFO and above that is no event."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        """Write a record."""
        event = getattr(record, "event", None)
        if event is None and record.levelno < INFO:
            return
        line = {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None}
        if event is None or record.levelno > INFO:
            line["text"] = record.getMessage()
        print(json.dumps({"event": str(event or "message"), **line}, default=str), file=sys.stdout, flush=True)

"""The process behind `evaluation.answers.verifier`: a JSON line ``[answer, gold]`` in, ``equal`` or ``unequal`` out."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys

#: Bytes of address space; an expression that needs more ends the process.
MEMORY_LIMIT = 4 * 2**30


def main() -> None:
    """Answer requests until the input ends."""
    # Whatever a library prints must not be read as a reply.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    from math_verify import LatexExtractionConfig, parse, verify

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    print("ready", file=replies)
    for line in sys.stdin:
        answer, gold = (
            parse(f"${text}$", extraction_config=[LatexExtractionConfig()], parsing_timeout=None)
            for text in json.loads(line)
        )
        print("equal" if verify(gold, answer, timeout_seconds=None) else "unequal", file=replies)


if __name__ == "__main__":
    main()

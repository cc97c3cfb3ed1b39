"""Published numbers of the Masked Thought paper (arXiv 2403.02178), in percent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """What the paper reports for SFT and for MFT, and where."""

    sft: float
    mft: float
    source: str

    @property
    def difference(self) -> float:
        """MFT minus SFT, in percentage points."""
        return self.mft - self.sft


GSM8K = Claim(41.6, 47.1, "Table 1, Llama-2-7B on GSM8K")
GSM_IC = Claim(48.0, 59.2, "Table 5, Llama-2-7B on GSM-IC")
#: The case study: ten continuations of one problem, so these are tenths.
CORRUPTED_STEP_RANDOM = Claim(10.0, 100.0, "Table 4, r = 1")
CORRUPTED_STEP_MASK = Claim(10.0, 40.0, "Table 4, m = 1")

"""Masked Thought fine-tuning (MFT) for Axolotl (Chen et al., ACL 2024, arXiv 2403.02178).

Name the plugin in an Axolotl config as ``axolotl_cotmask.CoTMaskPlugin``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axolotl_cotmask.training.plugin import CoTMaskPlugin

__all__ = ["CoTMaskPlugin"]


def __getattr__(name: str) -> Any:
    # Lazy, so that lm-eval tasks and the command line can use the light modules without Axolotl's imports.
    if name == "CoTMaskPlugin":
        from axolotl_cotmask.training.plugin import CoTMaskPlugin

        return CoTMaskPlugin
    raise AttributeError(f"module 'axolotl_cotmask' has no attribute '{name}': the plugin is 'CoTMaskPlugin'")

"""Masked Thought fine-tuning (MFT) for Axolotl (Chen et al., ACL 2024, arXiv 2403.02178).

Name the plugin in an Axolotl config as ``axolotl_cotmask.CoTMaskPlugin``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axolotl_cotmask.training.plugin import CoTMaskPlugin

__all__ = ["CoTMaskPlugin"]


class _Package(ModuleType):
    """This package, which imports the plugin, and Axolotl with it, when somebody looks for it.

    So lm-eval's tasks and the command line use the light modules without that, also where there is no Axolotl.
    """

    def __getattr__(self, name: str) -> Any:
        if name != "CoTMaskPlugin":
            raise AttributeError(f"module 'axolotl_cotmask' has no attribute '{name}': the plugin is 'CoTMaskPlugin'")
        try:
            from axolotl_cotmask.training.plugin import CoTMaskPlugin
        except ImportError as error:
            # Something of Axolotl may be elsewhere in another version.
            from axolotl_cotmask.common.axolotl_version import other_version

            if sentence := other_version():
                raise SystemExit(f"\naxolotl-cotmask: {sentence}") from error
            raise

        self.CoTMaskPlugin = CoTMaskPlugin
        return CoTMaskPlugin

    def __dir__(self) -> list[str]:
        return sorted(self.__dict__)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        # What `vars`, `dir` and `inspect.getmembers` read.
        if find_spec("axolotl"):
            _ = self.CoTMaskPlugin
        return super().__dict__


sys.modules[__name__].__class__ = _Package

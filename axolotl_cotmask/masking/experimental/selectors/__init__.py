"""Which tokens a mask may fall on: selectors find stretches of a text, and all tokens of a stretch share one draw.

The paper draws for every target token alone (section 3.1); section 6 names what that misses: a random mask may hide a
definition that a later step needs, and ClozeMath masks equations instead. docs/selectors.md has the rules and examples.
"""

from axolotl_cotmask.masking.experimental.selectors.catalogue import EVERY_TOKEN, Selector, get, names
from axolotl_cotmask.masking.experimental.selectors.units import unit_distances, unit_starts
from axolotl_cotmask.masking.offsets import Span

__all__ = ["EVERY_TOKEN", "Selector", "Span", "get", "names", "unit_distances", "unit_starts"]

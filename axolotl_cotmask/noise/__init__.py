"""What a noised position becomes."""

from axolotl_cotmask.noise.protocol import Noise, NoiseContext, Noised
from axolotl_cotmask.noise.registry import build

__all__ = ["Noise", "NoiseContext", "Noised", "build"]

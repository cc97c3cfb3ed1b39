"""What a noised position becomes."""

from axolotl_cotmask.masking.noise.catalogue import build, check
from axolotl_cotmask.masking.noise.protocol import Noise, NoiseContext, Noised

__all__ = ["Noise", "NoiseContext", "Noised", "build", "check"]

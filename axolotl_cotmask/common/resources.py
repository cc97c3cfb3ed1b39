"""Finds the recipes and tasks: beside the package in a checkout, inside it when it is installed from a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def directory(name: str) -> Path:
    """Return the directory ``recipes`` or ``evaltasks``."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name

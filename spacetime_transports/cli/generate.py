"""``spacetime-py generate``: Python bindings for a module."""

from __future__ import annotations

__all__ = ["generate"]


def generate() -> None:
    """placeholder"""

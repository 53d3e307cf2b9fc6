"""Outlines of turned objects: how wide they are from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TurnedProfile:
    """One turned object, in units of its height.

    Attributes:
        outline: ``(distance from the top, radius)``, from 0 to 1.
        cap: Where the cap ends; 0 without one.
        label: First and last distance from the top of the label, or None.
        scale: Height over that of a bottle in the same picture.
        rounding: Width of the smoothing of the outline, in 800ths of the height.
        band: Share of the half turn that the label covers to each side, at most 0.5.
    """

    outline: tuple[tuple[float, float], ...]
    cap: float = 0.0
    label: tuple[float, float] | None = None
    scale: float = 1.0
    band: float = 0.30
    rounding: int = 13


PROFILES = {
    "bottle": TurnedProfile(
        ((0, 0.085), (0.005, 0.092), (0.11, 0.092), (0.115, 0.07), (0.16, 0.07), (0.22, 0.085),
         (0.32, 0.185), (0.40, 0.2), (0.97, 0.2), (0.99, 0.193), (1, 0.175)),
        cap=0.115, label=(0.50, 0.84), rounding=21),
    "perfume": TurnedProfile(
        ((0, 0.075), (0.004, 0.08), (0.2, 0.08), (0.205, 0.05), (0.25, 0.05), (0.255, 0.06),
         (0.30, 0.2), (0.34, 0.235), (0.62, 0.25), (0.94, 0.225), (0.985, 0.205), (1, 0.18)),
        cap=0.205, label=(0.48, 0.78), rounding=31),
    "dropper": TurnedProfile(
        ((0, 0.02), (0.01, 0.05), (0.05, 0.062), (0.17, 0.066), (0.175, 0.085), (0.30, 0.085),
         (0.305, 0.06), (0.335, 0.062), (0.37, 0.13), (0.41, 0.165), (0.45, 0.17), (0.97, 0.17),
         (0.99, 0.164), (1, 0.15)),
        cap=0.30, label=(0.52, 0.88)),
    "vase": TurnedProfile(
        ((0, 0.13), (0.012, 0.137), (0.03, 0.125), (0.12, 0.082), (0.2, 0.09), (0.35, 0.165),
         (0.5, 0.225), (0.62, 0.235), (0.78, 0.195), (0.93, 0.128), (0.975, 0.118), (1, 0.12)),
        rounding=71),
    "jar": TurnedProfile(
        ((0, 0.315), (0.012, 0.33), (0.25, 0.33), (0.262, 0.315), (0.272, 0.315), (0.285, 0.335),
         (0.32, 0.345), (0.9, 0.345), (0.97, 0.33), (1, 0.30)),
        cap=0.262, label=(0.46, 0.82), scale=0.74),
    "can": TurnedProfile(
        ((0, 0.172), (0.012, 0.178), (0.03, 0.172), (0.075, 0.205), (0.09, 0.21), (0.92, 0.21),
         (0.965, 0.19), (0.985, 0.175), (1, 0.168)),
        label=(0.14, 0.86), scale=0.86, band=0.47),
    "wine": TurnedProfile(
        ((0, 0.047), (0.004, 0.052), (0.05, 0.052), (0.055, 0.047), (0.22, 0.047), (0.30, 0.056),
         (0.38, 0.105), (0.44, 0.138), (0.50, 0.145), (0.97, 0.145), (0.99, 0.14), (1, 0.12)),
        cap=0.22, label=(0.60, 0.86), scale=1.08),
    "cup": TurnedProfile(
        ((0, 0.45), (0.02, 0.462), (0.35, 0.458), (0.70, 0.44), (0.86, 0.41), (0.95, 0.37),
         (0.985, 0.34), (1, 0.32)),
        label=(0.34, 0.72), scale=0.58, band=0.17, rounding=61),
    "candle": TurnedProfile(
        ((0, 0.36), (0.02, 0.372), (0.9, 0.372), (0.97, 0.36), (1, 0.33)),
        label=(0.36, 0.80), scale=0.60),
    "lamp": TurnedProfile(
        ((0, 0.142), (0.006, 0.146), (0.385, 0.268), (0.392, 0.268), (0.396, 0.018),
         (0.905, 0.018), (0.915, 0.05), (0.935, 0.15), (0.95, 0.165), (1, 0.168)),
        scale=1.06),
}  # fmt: skip
OPEN_TOPS = frozenset({"vase", "cup", "candle"})

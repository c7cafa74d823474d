"""Functions of real numbers that have the same last bit on every machine.

NumPy's `sin`, `exp` and `tanh` are chosen by processor and differ in the last
bits, which is enough to make two terrains of one genome differ. Here are only
operations that IEEE 754 rounds exactly (and `rint` and `ldexp`, which are
exact), so that an environment's content hash names one terrain everywhere.
Within 1e-15 of the true value; the float32 tanh of the controllers has its own
module and its own twin in C++.
"""

from __future__ import annotations

from math import factorial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LARGEST = 60.0  # arguments are clipped to this magnitude; it bounds the reductions below
# pi and ln 2 in two parts: so few bits in the first that whole multiples up to 2**28 of it are exact.
_PI_HIGH, _PI_LOW = float.fromhex("0x1.921fb4p+1"), float.fromhex("0x1.4442d18469899p-23")
_HALF_TURNS_PER_RADIAN, _LOG2_E = float.fromhex("0x1.45f306dc9c883p-2"), float.fromhex("0x1.71547652b82fep+0")
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42p-1"), float.fromhex("0x1.fdf473de6af28p-22")
# Taylor's series, to where the next term is below 1e-17 of the sum: up to pi/2 and ln(2)/2.
SINE = [(-1) ** n / factorial(2 * n + 1) for n in range(11)]
_EXP = [1 / factorial(n) for n in range(14)]


def sin(x: Floats) -> Floats:
    """Compute the sine of x, clipped to [-60, 60]."""
    x = _clip(x)
    half_turns = np.rint(x * _HALF_TURNS_PER_RADIAN)
    rest = (x - half_turns * _PI_HIGH) - half_turns * _PI_LOW
    odd = half_turns - 2 * np.floor(half_turns / 2)
    sign: Floats = 1 - 2 * odd
    return sign * rest * _polynomial(SINE, rest * rest)


def sigmoid(x: Floats) -> Floats:
    """Compute 1 / (1 + exp(-x)) of x, clipped to [-60, 60]."""
    return 1 / (1 + _exp(-_clip(x)))


def tanh(x: Floats) -> Floats:
    """Compute the hyperbolic tangent of x, clipped to [-60, 60]."""
    return 1 - 2 / (1 + _exp(2 * _clip(x)))


def _clip(x: Floats) -> Floats:
    return np.minimum(np.maximum(x, -LARGEST), LARGEST)


def _exp(x: Floats) -> Floats:
    power = np.rint(x * _LOG2_E)
    rest = (x - power * _LN2_HIGH) - power * _LN2_LOW
    return np.ldexp(_polynomial(_EXP, rest), power.astype(np.int32))


def _polynomial(coefficients: list[float], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total

import mpmath
import numpy as np
import pytest

from environments import portable

EXACT = {
    "sin": mpmath.sin,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("name", EXACT)
def test_function_is_within_1e_15_of_the_value_to_50_digits(name):
    places = np.concatenate([np.linspace(-60, 60, 2001), np.linspace(-0.5, 0.5, 500), np.arange(-19, 20) * np.pi])
    with mpmath.workdps(50):
        errors = [
            abs(mpmath.mpf(float(found)) - EXACT[name](mpmath.mpf(float(x))))
            for x, found in zip(places, getattr(portable, name)(places), strict=True)
        ]
    assert max(errors) < 1e-15


@pytest.mark.parametrize("name", EXACT)
def test_arguments_are_clipped_and_nan_stays_nan(name):
    function = getattr(portable, name)
    with np.errstate(invalid="ignore"):
        found = function(np.array([1e300, -np.inf, np.nan]))
    limits = function(np.array([60.0, -60.0]))
    assert np.array_equal(found[:2], limits)
    assert np.isnan(found[2])


def test_bits_are_those_of_every_machine():
    # Written down when the functions were: whoever changes a bit changes the terrain of old genomes.
    x = np.array([0.1, 1.0, -2.5, 37.0])
    found = {name: [value.hex() for value in getattr(portable, name)(x).tolist()] for name in EXACT}
    assert found == BITS


BITS = {
    "sin": ["0x1.98eaecb8bcb2cp-4", "0x1.aed548f090ceep-1", "-0x1.326af0dcfcab0p-1", "-0x1.497dd488fe90fp-1"],
    "tanh": ["0x1.983d7795f4130p-4", "0x1.85efab514f394p-1", "-0x1.f9258260a71c4p-1", "0x1.0000000000000p+0"],
    "sigmoid": ["0x1.0cca12729afb8p-1", "0x1.764d4f5d5a2bdp-1", "0x1.36b7112534847p-4", "0x1.0000000000000p+0"],
}

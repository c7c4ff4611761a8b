"""Random numbers for numba kernels: splitmix64 per world, and stateless hashes of coordinates.

Invariant: everything is integer arithmetic on uint64 until the last division, so a world's draws are
the same bytes on every machine and in every process. The state is `VoxelState.rng`, so a snapshot
holds it. The signatures are explicit, or numba would compile anew for every constant argument. Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_PRIME_X = np.uint64(0xD6E8FEB86659FD93)
_PRIME_Y = np.uint64(0xA0761D6478BD642F)
_PRIME_Z = np.uint64(0xE7037ED1A0B428DB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_TO_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@njit("uint64(uint64)", cache=True)
def mix(value: np.uint64) -> np.uint64:
    """The splitmix64 finaliser: a bijection of uint64."""
    value = (value ^ (value >> _S30)) * _MIX_1
    value = (value ^ (value >> _S27)) * _MIX_2
    return value ^ (value >> _S31)


@njit("uint64(uint64[::1], int64)", cache=True)
def next_u64(rng: NDArray[np.uint64], b: int) -> np.uint64:
    """Advance world `b`'s generator by one draw; uint64."""
    rng[b] += _GOLDEN
    return mix(rng[b])


@njit("float64(uint64[::1], int64)", cache=True)
def uniform(rng: NDArray[np.uint64], b: int) -> float:
    """A draw in [0, 1)."""
    return float(next_u64(rng, b) >> _S11) * _TO_UNIT


@njit("int64(uint64[::1], int64, int64)", cache=True)
def below(rng: NDArray[np.uint64], b: int, bound: int) -> int:
    """A draw in 0 .. bound - 1 (`bound` > 0)."""
    return np.int64(next_u64(rng, b) % np.uint64(bound))  # type: ignore[return-value]


@njit("uint64(uint64, int64, int64, int64)", cache=True)
def hash_u64(seed: np.uint64, x: int, y: int, z: int) -> np.uint64:
    """A hash of `seed` and three integers (negative ones too); uint64."""
    value = mix(np.uint64(seed) + _GOLDEN)
    value = mix(value ^ (np.uint64(x) * _PRIME_X))
    value = mix(value ^ (np.uint64(y) * _PRIME_Y))
    return mix(value ^ (np.uint64(z) * _PRIME_Z))


@njit("float64(uint64, int64, int64, int64)", cache=True)
def hash_unit(seed: np.uint64, x: int, y: int, z: int) -> float:
    """`hash_u64` as a number in [0, 1)."""
    return float(hash_u64(seed, x, y, z) >> _S11) * _TO_UNIT


@njit("int64(uint64, int64, int64, int64, int64)", cache=True)
def hash_below(seed: np.uint64, x: int, y: int, z: int, bound: int) -> int:
    """`hash_u64` as an int64 in 0 .. bound - 1 (uint64 beside int64 would become a float in numba)."""
    return np.int64(hash_u64(seed, x, y, z) % np.uint64(bound))  # type: ignore[return-value]

"""The generator of the kernels: splitmix64 to the bit, against Python's own integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from worlds.voxel.rng import below, hash_below, hash_u64, hash_unit, mix, next_u64, uniform

ALL = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
PRIMES = (0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
EDGES = (0, 1, ALL, ALL - 1, 2**63, 2**63 - 1, GOLDEN)


def plain_mix(value: int) -> int:
    """The finaliser as the paper prints it."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & ALL
    value = (value ^ value >> 27) * 0x94D049BB133111EB & ALL
    return value ^ value >> 31


def unmix(value: int) -> int:
    """Its inverse: a product is undone by the inverse modulo 2**64, a shifted xor by repeating it."""
    for shift, factor in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, 1)):
        undone = value
        for _ in range(64 // shift):
            undone = value ^ undone >> shift
        value = undone * pow(factor, -1, 2**64) & ALL
    return value


def plain_hash(seed: int, *coordinates: int) -> int:
    value = plain_mix(seed + GOLDEN & ALL)
    for coordinate, prime in zip(coordinates, PRIMES, strict=True):
        value = plain_mix(value ^ (coordinate * prime & ALL))
    return value


def numbers(seed: int, count: int) -> list[int]:
    drawn = np.random.default_rng(seed).integers(0, ALL, count, np.uint64, endpoint=True)
    return [*EDGES, *(int(number) for number in drawn)]


def test_the_first_draws_of_seed_nought_are_those_of_the_reference_implementation() -> None:
    rng = np.zeros(1, np.uint64)
    draws = [int(next_u64(rng, 0)) for _ in range(4)]
    assert draws == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]


def test_a_stream_is_splitmix64_in_plain_integers_and_no_two_inputs_mix_alike() -> None:
    for number in numbers(1, 300):
        assert int(mix(np.uint64(number))) == plain_mix(number)
        assert unmix(int(mix(np.uint64(number)))) == number
    rng, state = np.array([ALL - 5, 3], np.uint64), ALL - 5
    for _ in range(100):
        state = state + GOLDEN & ALL
        assert int(next_u64(rng, 0)) == plain_mix(state)
        assert int(rng[0]) == state
    assert int(rng[1]) == 3  # the other world's generator stands still


def test_a_draw_takes_one_step_whatever_is_drawn_and_a_kept_state_repeats_it() -> None:
    draws: tuple[Callable[[np.ndarray], float], ...] = (
        lambda rng: uniform(rng, 1),
        lambda rng: below(rng, 1, 7),
        lambda rng: int(next_u64(rng, 1)),
    )
    for draw in draws:
        rng = np.array([5, 6], np.uint64)
        for _ in range(20):
            kept = rng.copy()
            told = draw(rng)
            assert int(rng[1]) == int(kept[1]) + GOLDEN & ALL
            assert draw(kept) == told
            assert (kept == rng).all()


def test_a_hash_of_coordinates_is_the_plain_one_for_negative_ones_too() -> None:
    random = np.random.default_rng(2)
    for seed in numbers(3, 60):
        x, y, z = (int(v) for v in random.integers(-(2**40), 2**40, 3))
        expected = plain_hash(seed, x, y, z)
        assert int(hash_u64(np.uint64(seed), x, y, z)) == expected
        assert hash_unit(np.uint64(seed), x, y, z) == (expected >> 11) / 2**53
        for bound in (1, 3, 64, 2**40 + 1):
            assert hash_below(np.uint64(seed), x, y, z, bound) == expected % bound


@pytest.mark.parametrize("top", [0, ALL])
def test_a_uniform_draw_lies_in_the_half_open_unit(top: int) -> None:
    """Also where the mixed bits are all nought or all one: the least and the greatest that can be."""
    before = (unmix(top) - GOLDEN) & ALL
    drawn = uniform(np.array([before], np.uint64), 0)
    assert drawn == (top >> 11) / 2**53
    assert 0.0 <= drawn < 1.0

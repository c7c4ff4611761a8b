"""Who of a team goes where: bodies shared out among regions at the least cost.

Invariant: no region takes a body more than another does that could have one less (with as many bodies as
regions each takes one), and no other such sharing costs less in all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def share_out(costs_BR: NDArray[np.float64]) -> tuple[int, ...]:
    """The region of each of B bodies, by what it costs each body to get to each of R regions."""
    bodies, regions = costs_BR.shape
    rounds = -(-bodies // regions)
    _, slots = linear_sum_assignment(np.tile(costs_BR, (1, rounds)))
    return tuple(int(slot) % regions for slot in slots)

"""Who of a team goes where: bodies shared out among regions at the least cost.

Invariant: no region takes more than one body more than another does, and no other such sharing costs less in
all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def share_out(costs_BR: NDArray[np.float64]) -> tuple[int, ...]:
    """The region of each of B bodies, by what it costs each body to get to each of R regions."""
    bodies, regions = costs_BR.shape
    # The places of the last round cost so much more that those before it are filled first.
    late = (np.ptp(costs_BR) + 1.0) * bodies
    rounds = [costs_BR + late * (r == bodies // regions) for r in range(bodies // regions + 1)]
    _, places = linear_sum_assignment(np.hstack(rounds))
    return tuple(int(place) % regions for place in places)

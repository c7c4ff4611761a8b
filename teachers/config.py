"""Who teaches, what the team may know and how it breaks ties.

Invariant: two configs with equal fields give teachers with equal labels, and `version` names them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from teachers.backends.config import EndpointConfig

Backend = Literal["scripted", "openai", "recorded"]
MapSetting = Literal["none", "own", "accumulated", "mirror"]


@dataclass(frozen=True)
class TeacherConfig:
    """`backend`: "scripted" plans exactly; "openai" asks `endpoint`; "recorded" answers from the endpoint's
    recording alone, without a network.

    `map` is the dynamic-map expert's switch (STEVE-2's extra expert for navigation): "none" plans over
    what the describer sees now, "own" over the columns that the body itself has had in view (a single body's
    "accumulated"), "accumulated" over the columns that any body has had in view and the
    targets of the last turns, "mirror" over the true world.

    `tie_decisions`: actions whose expected decisions left differ by at most this much are equally good.
    """

    map: MapSetting = "accumulated"
    tie_decisions: float = 0.75
    backend: Backend = "scripted"
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)

    def __post_init__(self) -> None:
        if self.backend not in get_args(Backend):
            raise ValueError(
                f"teacher.backend is {self.backend!r}; choose one of {', '.join(get_args(Backend))}"
            )
        if self.map not in get_args(MapSetting):
            raise ValueError(f"teacher.map is {self.map!r}; choose one of {', '.join(get_args(MapSetting))}")
        if not 0.0 <= self.tie_decisions < 1.0:
            raise ValueError(f"teacher.tie_decisions is {self.tie_decisions}; choose a number in [0, 1)")

    @property
    def version(self) -> str:
        """Enters every sample's identity; raise the number when labels change."""
        return f"voxel-team-5-{self.map}-{self.tie_decisions:g}"

"""What a body tells another: a place that it sees and will not get to first.

Invariant: a place is told once, by a body that has it in the frame, to the one that is nearest to it; and
that one is nearer than the teller is by the way of what it goes for itself. A message takes a decision: what
would save less than one is not said.
"""

from __future__ import annotations

import math

from teachers.voxel_situation import MESSAGE, VoxelSituation

WORTH_BLOCKS = 8.0
"""By how much (blocks: a long walk, one decision) the receiver must be nearer: the price of the message."""
PILE_BLOCKS = 3.0
"""What lies so near to what the teller goes for, it gets by the way."""


def message_due(situation: VoxelSituation) -> str:
    """The message to send now, "" where none is worth it (or none may be sent)."""
    offers = [action for action in situation.observation.actions if action.startswith(MESSAGE)]
    if not offers or not len(situation.targets):  # what was in the frame may be dug by now
        return ""
    mine = situation.nearest_target
    told = {situation.sighted(message["text"]) for message in situation.facts["messages"]}
    for action in offers:
        receiver, text = action.removeprefix(MESSAGE).split(" ", 1)
        place = situation.sighted(text)
        if place is None or place in told or math.dist(place, mine) <= PILE_BLOCKS:
            continue
        way = situation.distance_to(*mine) + math.dist(mine, place)
        nearest = min(situation.others, key=lambda n: math.dist(situation.others[n], place))
        if int(receiver) == nearest and math.dist(situation.others[nearest], place) + WORTH_BLOCKS < way:
            return action
    return ""

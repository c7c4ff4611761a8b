"""The keys of the voxel world's `Mirror.facts`: the contract between the world and its teachers.

| key | value |
|---|---|
| `blocks` | uint8 (X, Z, Y) block ids, the true world |
| `known` | bool (X, Z) columns that any body has had in view so far |
| `pose` | (x, y, z, yaw_deg, pitch_deg) of the own body |
| `bodies` | list of (x, y, z, yaw_deg, pitch_deg) of all bodies, the own one included |
| `suite` | e.g. "voxel/goal_name" |
| `target` | name of the block, landmark or animal that the task is about ("" if none) |
| `targets` | float (n, 3) positions x, y, z of all its true instances |
| `reach` | distance (blocks, horizontal) at which the target counts as reached |
| `visible` | list of {name, column, distance, pixels, position}: named things in the frame now: `column` 0..4 left to right, `distance` in blocks |
| `seen_targets` | float (n, 3) instances of the target that were in view at some time in this episode |
| `recent_targets` | float (n, 3) instances in view at one of the last `HISTORY_TURNS` decisions or now |
| `actions` | the legal action texts |
| `notes` | the legal notes |
| `inventory` | item name -> count |
| `wanted` | item name -> count, for material collection |
| `iteration`, `max_iterations` | int |
| `size` | (X, Z, Y) |

Notes of the voxel world: "see none" or "see COLUMN DISTANCE" with COLUMN in `COLUMNS` and DISTANCE in
`DISTANCES`, about the task's target (for material collection: about the next needed resource).
"""

from __future__ import annotations

COLUMNS = ("far-left", "left", "centre", "right", "far-right")
DISTANCES = ("near", "mid", "far")
DISTANCE_BOUNDS = (6.0, 14.0)
"""Blocks: nearer than the first is "near", than the second "mid", else "far"."""

NOTES: tuple[str, ...] = (
    "see none",
    *(f"see {column} {distance}" for column in COLUMNS for distance in DISTANCES),
)


def note_for(column: int, distance: float) -> str:
    """The note about something in frame column 0..4 at `distance` blocks."""
    bucket = sum(distance >= bound for bound in DISTANCE_BOUNDS)
    return f"see {COLUMNS[column]} {DISTANCES[bucket]}"

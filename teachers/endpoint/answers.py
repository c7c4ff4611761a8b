"""What the endpoint answers: the scripted roles, planning in what the prompt tells.

Invariant: a function of the messages alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from teachers.endpoint.reader import ToldSituation, read_lines, read_phase, read_situation, read_subtask
from teachers.planners.recipes import steps_ahead
from teachers.roles import Choice, Phase, Plan, Subtask
from teachers.team.replies import ActorReply, ConductorReply, CriticReply, ManagerReply
from teachers.voxel_team import VoxelActor, VoxelConductor, VoxelManager
from worlds.types import Turn
from worlds.voxel.moves import STUCK, WALKS
from worlds.voxel.rehearsal import PLAN_STEPS

_ROLE = re.compile(r"^Role: (manager|conductor|actor|critic)\b", re.MULTILINE)
_PREFER = re.compile(r"where both serve, say ([a-z0-9 _]+)\.")
_DISAGREEMENT = re.compile(r"the student did (.+); the team said (.+)$", re.MULTILINE)
_FAILED_STEP = re.compile(r"step (\d+) of the plan, ")
_REJECTED = re.compile(r"(?:on a copy of the world|from this very spot) (.+?) (?:has just )?ended '")
_SOONER = re.compile(r"body (\d+) in the ([a-z-]+)")
_STUCK = re.compile(r"body (\d+) gets nowhere")


class NotUnderstood(Exception):
    """No prompt of the team's."""


def answer(user_texts: Sequence[str]) -> str:
    """The JSON reply to a conversation: its user messages, the first with the prompt, the others with
    complaints. Raises NotUnderstood."""
    match = _ROLE.search(user_texts[0]) if user_texts else None
    if match is None:
        raise NotUnderstood(
            "this endpoint plans for the voxel world's team and reads its prompts alone (not those of BabyAI "
            "or of own worlds): no line `Role: manager`, `conductor`, `actor` or `critic` is in the first "
            "user message"
        )
    text = user_texts[0]
    situation = read_situation(text)
    reply: BaseModel
    match match[1]:
        case "manager":
            plan = VoxelManager().plan(situation)
            reply = ManagerReply(
                thought=f"{len(plan.subtasks)} of us: {plan.text}",
                subtasks=[subtask.text for subtask in _reformed(plan, user_texts)],
            )
        case "conductor":
            phase = VoxelConductor().phase(situation, read_subtask(text))
            reply = ConductorReply(
                thought=f"the phase is {phase.text}",
                phase=f"{phase.name} {phase.what}".strip(),
                steps=_foreseen(situation, phase, user_texts[1:]),
            )
        case "critic":
            reply = CriticReply(thought="what it does most often instead", lesson=_lesson(text))
        case _:
            rejected = [action for said in user_texts[1:] for action in _REJECTED.findall(said)]
            choice = _heed(_act(situation, read_phase(text), rejected), text)
            reply = ActorReply(
                thought=f"{choice.action} serves to {read_phase(text).text}",
                action=choice.action,
                also_good=[action for action in choice.equally_good if action != choice.action][:4],
            )
    return reply.model_dump_json()


def _reformed(plan: Plan, texts: Sequence[str]) -> list[Subtask]:
    """The plan's subtasks, in the regions with which the critic saw the team walk less; a body that gets
    nowhere changes with the next."""
    subtasks = list(plan.subtasks)
    bodies = {str(n): n - 1 for n in range(1, len(subtasks) + 1)}
    for body, region in _SOONER.findall("\n".join(texts[1:])):
        if (own := bodies.get(body)) is not None:
            subtasks[own] = replace(subtasks[own], region=region)
    for body in _STUCK.findall(read_lines(texts[0])[0].get("Critic", "")):
        if (own := bodies.get(body)) is not None:
            other = (own + 1) % len(subtasks)
            subtasks[own], subtasks[other] = subtasks[other], subtasks[own]
    return subtasks


def _foreseen(situation: ToldSituation, phase: Phase, complaints: Sequence[str]) -> list[str]:
    """The work from here on that takes no walk, up to the step before one that failed on a copy."""
    if phase.name not in ("craft", "smelt", "place"):
        return []
    facts = situation.facts
    steps = steps_ahead(facts["wanted"], facts["inventory"], situation.workplaces, PLAN_STEPS)
    failed = [int(place) for said in complaints for place in _FAILED_STEP.findall(said)]
    return steps[: min(failed, default=len(steps) + 1) - 1]


def _lesson(text: str) -> str:
    """Of an attempt: let the team say what the student does anyway, where that serves as well."""
    counted = Counter(_DISAGREEMENT.findall(text))
    if not counted:
        return "the student did as it was told: look farther before walking."
    (did, said), _ = counted.most_common(1)[0]
    return f"the student does {did} for {said}: where both serve, say {did}."


def _heed(choice: Choice, text: str) -> Choice:
    """The choice, or an equally good one that a lesson asks for."""
    asked = (action for action in _PREFER.findall(text) if action in choice.equally_good)
    return replace(choice, action=next(asked, choice.action))


def _act(situation: ToldSituation, phase: Phase, rejected: Sequence[str]) -> Choice:
    """The scripted actor's choice, planned again as if the rejected walks had got stuck here; what is left
    where it insists on something rejected is the best of the others."""
    if phase.name == "approach" and not len(situation.targets):
        phase = replace(phase, name="search")
    tried = tuple(Turn("", action, STUCK, situation.pose[2]) for action in rejected if action in WALKS)
    observation = replace(situation.observation, history=(*situation.observation.history, *tried))
    choice = VoxelActor().act(replace(situation, observation=observation), phase)
    if choice.action not in rejected:
        good = tuple(action for action in choice.equally_good if action not in rejected)
        return replace(choice, equally_good=good)
    left = [action for action in situation.observation.actions if action not in rejected]
    best = max(left, key=lambda action: choice.values.get(action, float("-inf")), default=choice.action)
    return Choice(best, (best,))

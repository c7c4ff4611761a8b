"""Manager, conductor and actor over a chat model: each a planner with describer, critic and skill module.

Invariant: what a role hands down was retrieved out of what the task gives a meaning to, and checked against
the world: subtasks without walks that another sharing would save, a phase that can be begun (its steps were
tried on a copy), an action that is legal and was tried too. No words of the model go farther than that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import takewhile

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.roles import Choice, Phase, Plan, Subtask
from teachers.team import critic, team_critic
from teachers.team.describe import actor_text, conductor_text, manager_text
from teachers.team.frames import png
from teachers.team.memory import recall, show
from teachers.team.orders import phases, subtask_of, subtasks
from teachers.team.planner import Complaint, Planner, Talk, retrieved
from teachers.team.replies import ActorReply, ConductorReply, ManagerReply
from teachers.team.skills import SkillModule
from teachers.voxel_situation import VoxelSituation


@dataclass(frozen=True)
class TeamSituation(VoxelSituation):
    """A situation, with what is said about it while it is decided."""

    talk: Talk = field(default_factory=Talk)


class LLMManager:
    """Central planning by a model."""

    def __init__(self, caller: Caller, config: EndpointConfig, skills: SkillModule) -> None:
        self._skills = skills
        self._planner = Planner("manager", ManagerReply, caller, config)

    def plan(self, situation: TeamSituation) -> Plan:
        """One subtask per body, walked through by the critic."""
        bodies, library = len(situation.facts["bodies"]), subtasks(situation)

        def judge(reply: ManagerReply) -> Plan:
            if len(reply.subtasks) != bodies:
                raise Complaint(f"there are {bodies} bodies, and you gave {len(reply.subtasks)} subtasks")
            ends_s = situation.talk.ends_s
            told = (
                re.sub(rf"^body {n}\b[\s:,]*", "", text) for n, text in enumerate(reply.subtasks, start=1)
            )
            found = (retrieved(self._skills, text, library, "subtask", ends_s) for text in told)
            plan = Plan(tuple(map(subtask_of, found)))
            if complaint := team_critic.before_team(situation, plan):
                raise Complaint(complaint)
            return plan

        critique = _said(situation, team_critic.after_team(situation))
        return self._planner.plan(manager_text(situation, critique), judge, situation.talk)


class LLMConductor:
    """The phase of one body's subtask by a model."""

    def __init__(self, caller: Caller, config: EndpointConfig, skills: SkillModule) -> None:
        self._skills = skills
        self._planner = Planner("conductor", ConductorReply, caller, config)

    def phase(self, situation: TeamSituation, subtask: Subtask) -> Phase:
        """The phase, with the skills that it foresees, checked by the critic."""
        library, legal = phases(situation, subtask.region), situation.observation.actions

        def judge(reply: ConductorReply) -> Phase:
            ends_s = situation.talk.ends_s
            text = retrieved(self._skills, reply.phase, library, "phase", ends_s)
            found = [self._skills.find(step, legal, ends_s) for step in reply.steps]
            if found and found[0] is None:
                raise Complaint(f"step 1 of the plan, {reply.steps[0]!r}, is no legal skill")
            name, _, what = text.removesuffix(f" {subtask.region}").partition(" ")
            region = subtask.region if name in ("search", "explore") else ""
            phase = Phase(name, what, region, tuple(step for step in takewhile(bool, found) if step))
            complaint = critic.before_phase(situation, phase) or critic.before_plan(situation, phase.steps)
            if complaint:
                raise Complaint(complaint)
            return phase

        critique = _said(situation, critic.after_phase(situation))
        return self._planner.plan(conductor_text(situation, subtask, critique), judge, situation.talk)


class LLMActor:
    """The next skill of one body by a model."""

    def __init__(self, caller: Caller, config: EndpointConfig, skills: SkillModule) -> None:
        self._skills = skills
        self._planner = Planner("actor", ActorReply, caller, config)
        self._images = config.images
        self._lessons = config.lessons
        self._lesson_frames = config.lesson_frames if config.images else 0

    def act(self, situation: TeamSituation, phase: Phase) -> Choice:
        """A legal skill that the critic has tried."""
        legal = situation.observation.actions

        def judge(reply: ActorReply) -> Choice:
            ends_s = situation.talk.ends_s
            action = retrieved(self._skills, reply.action, legal, "legal action", ends_s)
            if complaint := critic.before_action(situation, action):
                raise Complaint(complaint)
            found = (self._skills.find(text, legal, ends_s) for text in reply.also_good)
            others = {other for other in found if other not in (None, action)}
            good = {other for other in others if not critic.before_action(situation, other)}
            return Choice(action, tuple(sorted({action, *good})))

        critique = _said(situation, critic.after(situation))
        observation = situation.observation
        state = f"{observation.goal.text} {phase.text} {situation.note} {critique}"
        memories = recall(situation.facts.get("lessons", ()), state, observation.frame, self._lessons)
        lessons, frames = show(memories, self._lesson_frames)
        situation.talk.said.extend(f"memory: {memory.told}" for memory in memories)
        text = actor_text(situation, phase, critique, lessons)
        images = (png(observation.frame), *frames) if self._images else ()
        return self._planner.plan(text, judge, situation.talk, images)


def _said(situation: TeamSituation, critique: str) -> str:
    """The critique, told once to who reads the rollout."""
    line = f"critic: {critique}"
    if critique and line not in situation.talk.said:
        situation.talk.said.append(line)
    return critique

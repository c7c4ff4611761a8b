"""The team over an endpoint as one `Teacher`.

Invariant: a label, valid or not, for every state: what no answer, no plan or an end of the budget leaves open
is an invalid label with the reason. The version names the model, the prompts and what the team may know.
"""

from __future__ import annotations

import re
from dataclasses import replace

from teachers.backends.caller import Caller
from teachers.backends.config import EndpointConfig
from teachers.backends.types import Halted, NoAnswer, Unanswered
from teachers.config import TeacherConfig
from teachers.roles import Conductor, Manager, Phase, Plan, Subtask, team_label
from teachers.team.embedding import LocalEmbedder
from teachers.team.endpoint_embedding import EndpointEmbedder
from teachers.team.frames import png
from teachers.team.llm_roles import LLMActor, LLMConductor, LLMManager, TeamSituation
from teachers.team.memory import recall, show
from teachers.team.planner import Complaint, GaveUp, Planner, Talk, retrieved
from teachers.team.prompting import prompts_hash
from teachers.team.replies import PlainReply
from teachers.team.skills import SkillModule
from teachers.types import UNANSWERED, Label, Role
from teachers.voxel_team import VoxelConductor, VoxelManager
from worlds.types import Mirror, Observation


def version_of(config: TeacherConfig) -> str:
    """E.g. "gpt-5-team-4-3fa9c2d1-accumulated"."""
    endpoint = config.endpoint
    model = _written(endpoint.model)
    alone = "" if endpoint.team_calls else "-actor"
    near = f"-{_written(endpoint.embeddings)}-{endpoint.embeddings_floor:g}" if endpoint.embeddings else ""
    return f"{model}-team-4-{prompts_hash()}-{config.map}{alone}{near}"


def _written(model: str) -> str:
    return re.sub(r"[^\w.-]+", "_", model)


def skill_module(caller: Caller, config: EndpointConfig) -> SkillModule:
    """With the endpoint's own embeddings where the config names their model."""
    return SkillModule(EndpointEmbedder(caller, config) if config.embeddings else LocalEmbedder())


class _AloudManager:
    """The scripted manager, whose plan is told to who reads the rollout as a model's is."""

    def plan(self, situation: TeamSituation) -> Plan:
        plan = VoxelManager().plan(situation)
        situation.talk.said.append(f"manager: {plan.text}")
        return plan


class _AloudConductor:
    """The scripted conductor, likewise."""

    def phase(self, situation: TeamSituation, subtask: Subtask) -> Phase:
        phase = VoxelConductor().phase(situation, subtask)
        situation.talk.said.append(f"conductor: {phase.text}")
        return phase


def _reason(error: Exception) -> str:
    return f"{UNANSWERED if isinstance(error, Unanswered | Halted) else ''}{error}"


class VoxelEndpointTeam:
    """Three roles of the voxel world over one model."""

    def __init__(self, config: TeacherConfig, caller: Caller) -> None:
        self.version = version_of(config)
        self._config = config
        self._caller = caller
        endpoint = config.endpoint
        whole, skills = endpoint.team_calls, skill_module(caller, endpoint)
        self._manager: Manager[TeamSituation] = (
            LLMManager(caller, endpoint, skills) if whole else _AloudManager()
        )
        self._conductor: Conductor[TeamSituation] = (
            LLMConductor(caller, endpoint, skills) if whole else _AloudConductor()
        )
        self._actor = LLMActor(caller, endpoint, skills)

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The label of `role`. Raises ValueError for another world's mirror."""
        told = TeamSituation.read(observation, mirror, self._config)
        situation = replace(told, talk=Talk(self._caller.patience()))
        try:
            label = team_label(situation, self._manager, self._conductor, self._actor, role)
        except (GaveUp, NoAnswer, Halted, Unanswered) as error:
            label = Label(role, "", situation.note, valid=False, reason=_reason(error))
        return replace(label, said=tuple(situation.talk.said))


class PlainEndpointTeacher:
    """A model that acts in a world without roles of its own, told the mirror's text."""

    def __init__(self, config: TeacherConfig, caller: Caller) -> None:
        self.version = version_of(config)
        self._caller = caller
        self._planner = Planner("plain", PlainReply, caller, config.endpoint)
        self._skills = skill_module(caller, config.endpoint)
        self._images = config.endpoint.images
        self._lessons = config.endpoint.lessons
        self._lesson_frames = config.endpoint.lesson_frames if self._images else 0

    def label(self, observation: Observation, mirror: Mirror, role: Role = "actor") -> Label:
        """The model's action and note."""
        if role != "actor":
            return Label(role, "", valid=False, reason=f"{mirror.world} has one body and no {role}")
        talk = Talk(self._caller.patience())
        legal, notes = observation.actions, observation.notes

        def judge(reply: PlainReply) -> Label:
            action = retrieved(self._skills, reply.action, legal, "legal action", talk.ends_s)
            note = reply.note.strip()
            if notes and note not in notes:
                raise Complaint(f"{reply.note!r} is none of the notes: {', '.join(notes)}")
            found = (self._skills.find(text, legal, talk.ends_s) for text in reply.also_good)
            return Label(
                role,
                action,
                note if notes else "",
                tuple(sorted({action, *(other for other in found if other)})),
            )

        known = mirror.facts.get("lessons", ())
        memories = recall(known, observation.goal.text, observation.frame, self._lessons)
        told, frames = show(memories, self._lesson_frames)
        talk.said.extend(f"memory: {memory.told}" for memory in memories)
        lessons = f"\nLessons: {' / '.join(told)}" if told else ""
        text = f"{mirror.text}{lessons}\nNotes: {' | '.join(notes)}\nLegal actions: {' | '.join(legal)}"
        images = (png(observation.frame), *frames) if self._images else ()
        try:
            label = self._planner.plan(text, judge, talk, images)
        except (GaveUp, NoAnswer, Halted, Unanswered) as error:
            label = Label(role, "", valid=False, reason=_reason(error))
        return replace(label, said=tuple(talk.said))

"""The skill module: paraphrases are retrieved, what names no skill is not, with either embedding."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from endpoints import serving, teacher_config
from phrases import LIBRARY, SEEN, UNSEEN

from teachers.backends.caller import Caller
from teachers.backends.desk import CallDesk
from teachers.backends.openai_chat import OpenAIChat
from teachers.backends.recording import Recording
from teachers.backends.types import Halted, NoAnswer
from teachers.endpoint.faults import FaultConfig
from teachers.make import NoChat
from teachers.team.embedding import embed
from teachers.team.endpoint_embedding import EndpointEmbedder
from teachers.team.skills import SkillModule
from teachers.team.wording import Library


def measured(module: SkillModule, table: Mapping[str, str | None]) -> tuple[float, float]:
    """Precision (of what was found) and recall (of what could be)."""
    found = {text: module.find(text, LIBRARY, 1e12) for text in table}
    right = sum(skill is not None and skill == table[text] for text, skill in found.items())
    return (
        right / sum(skill is not None for skill in found.values()),
        right / sum(skill is not None for skill in table.values()),
    )


@pytest.mark.parametrize("table", [SEEN, UNSEEN], ids=["seen", "unseen"])
def test_paraphrases_are_found_and_nothing_is_found_in_what_names_none(
    table: Mapping[str, str | None],
) -> None:
    """The word sets that went before had precision 0.94 and 0.88, recall 0.56 and 0.40."""
    precision, recall = measured(SkillModule(), table)
    assert precision == 1.0
    assert recall >= 0.95


def test_near_is_not_enough_where_a_thing_is_another() -> None:
    """By the embedding alone "mine birch log" is nearer to "mine oak_log" than many a paraphrase is."""
    library = Library.of(LIBRARY)
    log = embed(library.own["mine oak_log"], library)
    near = float(embed(library.terms("mine birch log"), library) @ log)
    far = float(embed(library.terms("burn the oak log"), library) @ log)
    assert 0.4 < near < 1.0
    assert far < 0.72
    assert SkillModule().find("burn the oak log", LIBRARY) is None
    assert SkillModule().find("mine birch log", LIBRARY) is None


@pytest.mark.parametrize(
    "text",
    [
        "ignore forward 8",
        "forbid forward 8",
        "wrong: forward 8",
        "fail to forward 8",
        "hold off on forward 8",
        "forward 8 is dangerous",
        "opposite of turn left 90",
        "undo turn left 90",
        "turn left 90 twice",
        "turn left 90 90 times",
        "\u043d\u0435 forward 8",
        "!forward 8",
        "forward 8 \u274c",
        "forward 0.8",
        "forward 8.5",
    ],
)
def test_a_word_too_many_is_no_skill_whatever_it_denies(text: str) -> None:
    assert SkillModule().find(text, LIBRARY) is None


@pytest.mark.parametrize(
    ("text", "skill"),
    [
        ("1. forward 8", "forward 8"),
        ("- turn left 90", "turn left 90"),
        ("forward 8.0", "forward 8"),
        ("forward 8!", "forward 8"),
        ("scan the area", "scan"),
        ("I want to turn left 90", "turn left 90"),
    ],
)
def test_a_list_s_mark_a_decimal_point_and_fillers_change_nothing(text: str, skill: str) -> None:
    assert SkillModule().find(text, LIBRARY) == skill


def test_an_embedding_is_the_same_in_every_process() -> None:
    code = (
        "from teachers.team.embedding import embed; from teachers.team.wording import Library;"
        "l = Library.of(('mine oak_log', 'scan')); print(embed(l.terms('mine the oak logs'), l).tolist())"
    )
    told = [subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)]
    assert told[0] == told[1]
    assert np.linalg.norm(json.loads(told[0])) == pytest.approx(1.0)


def asking(url: str, folder: Path, **settings: float) -> tuple[SkillModule, CallDesk]:
    config = teacher_config(url, embeddings="retort-embedding", **settings).endpoint
    desk = CallDesk(config, Recording(folder / "calls.sqlite"))
    return SkillModule(EndpointEmbedder(Caller(config, desk, OpenAIChat(config)), config)), desk


def test_the_endpoints_embeddings_are_asked_recorded_and_replayed(tmp_path: Path) -> None:
    with serving() as endpoint:
        module, _ = asking(endpoint.url, tmp_path)
        precision, recall = measured(module, UNSEEN)
        assert precision == 1.0
        assert recall >= 0.8
        asked = endpoint.app.state.embedded
        assert 0 < asked < len(UNSEEN)  # what fits no skill is not asked about
        again, _ = asking(endpoint.url, tmp_path)
        assert measured(again, UNSEEN) == (precision, recall)
        assert endpoint.app.state.embedded == asked
    config = teacher_config("http://127.0.0.1:1/v1", "recorded", embeddings="retort-embedding").endpoint
    desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"), replay=True)
    replay = SkillModule(EndpointEmbedder(Caller(config, desk, NoChat()), config))
    assert measured(replay, UNSEEN) == (precision, recall)
    with pytest.raises(Halted, match="does not hold"):
        replay.find("please turn right by 90", LIBRARY, 1e12)


def test_embeddings_count_in_the_budget(tmp_path: Path) -> None:
    with serving() as endpoint:
        module, desk = asking(endpoint.url, tmp_path, budget_tokens=1)
        assert module.find("rotate right by 90", LIBRARY, 1e12) == "turn right 90"
        with pytest.raises(Halted, match="budget"):
            module.find("rotate left by 90", LIBRARY, 1e12)
        verdict = desk.verdict()
        assert verdict is not None
        assert verdict.kind == "spent"
        assert (
            module.find("turn left 90", LIBRARY, 1e12) == "turn left 90"
        )  # a skill as it stands asks nothing


@pytest.mark.parametrize(
    "text",
    ["uncraft stick", "replace crafting_table", "unplace crafting_table", "nonforward 8", "unturn left 90"],
)
def test_a_prefix_makes_another_word_of_a_skills(text: str) -> None:
    assert SkillModule().find(text, LIBRARY) is None


def test_numbers_mean_what_they_stand_beside() -> None:
    told = ("message 1 diamond_ore at 12 30", "message 2 diamond_ore at 12 30")
    assert SkillModule().find("message 1 diamond ore at 12, 30", told) == told[0]
    assert SkillModule().find("message 1 diamond_ore at 30 12", told) is None


def test_broken_embeddings_are_tried_again_and_then_no_answer(tmp_path: Path) -> None:
    with serving(
        FaultConfig(seed=1, share=0.4, kinds=("no choice", "error", "half a body", "drop"))
    ) as endpoint:
        module, _ = asking(endpoint.url, tmp_path)
        texts = [text for text, skill in UNSEEN.items() if skill][:12]
        assert all(module.find(text, LIBRARY, 1e12) in (UNSEEN[text], None) for text in texts)
        assert endpoint.app.state.failed > 0
    with serving(FaultConfig(share=1.0, kinds=("wrong schema",))) as endpoint:
        module, _ = asking(endpoint.url, tmp_path / "other", tries=2)
        with pytest.raises(NoAnswer, match="sent no embeddings"):
            module.find("rotate right by 90", LIBRARY, 1e12)


def test_a_wrong_model_for_embeddings_is_told(tmp_path: Path) -> None:
    with serving() as endpoint:
        config = replace(teacher_config(endpoint.url).endpoint, embeddings="nobody's")
        desk = CallDesk(config, Recording(tmp_path / "calls.sqlite"))
        module = SkillModule(EndpointEmbedder(Caller(config, desk, OpenAIChat(config)), config))
        with pytest.raises(Halted, match="embeddings"):
            module.find("rotate right by 90", LIBRARY, 1e12)

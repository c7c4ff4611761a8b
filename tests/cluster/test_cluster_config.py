"""The config: what cannot run is refused with a sentence, what can run survives a round trip."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.checks import MAY_CHANGE
from cluster.config import RunConfig, dump_config, load_config
from cluster.overrides import compose
from learner.pretraining.config import PretrainConfig

PRESETS = sorted(Path("configs").glob("*.yaml"))


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("foo=1", "foo"),
        ("learner.beta=-1", "learner.beta"),
        ("learner.beta=much", "learner.beta"),
        ("seed", "key=value"),
        ("cluster.mode=cloud", "cluster.mode"),
        ("cluster.hosts=0", "cluster.hosts"),
        ("distil.reached_by=nobody", "distil.reached_by"),
        ("distil.mix_start=2", "distil.mix_start"),
        ("evaluation.policies=[student,psychic]", "evaluation.policies"),
        ("evaluation.split=train", "evaluation.split"),
        ("teacher.map=crystal-ball", "teacher.map"),
        ("suites=[]", "suites"),
        ("suites=[voxel/goal_name,voxel/goal_name]", "suites"),
        ("suites=[voxel/goal_name", "readable as YAML"),
        ("name=@run", "readable as YAML"),
        ("suites={a: 1}", "incompatible"),
        ("reference.episodes=0", "reference.episodes"),
        ("distil.roles=[king]", "distil.roles"),
        ("cluster.learners=3", "learner.batch"),
        ("learner.lr=.nan", "learner.lr"),
        ("distil.episodes_per_round=0", "distil.episodes_per_round"),
        ("distil.roles=[actor,manager]", "distil.roles"),
        ("evaluation.policies=[student,student]", "evaluation.policies"),
        ("name=../elsewhere", "name"),
        ("name=prüf", "use a-z, A-Z, 0-9, . _ -"),
        ("nonsense=1", "train configs/demo.yaml --dry-run"),
        ("seed=-1", "seed"),
        ("frame_size=2", "frame_size"),
        ("student.lora=-1", "student.lora"),
        ("learner.replay_weights={voxel/levitation: 2.0}", "learner.replay_weights"),
    ],
)
def test_a_bad_override_is_refused_by_the_name_of_its_key(override: str, names: str) -> None:
    with pytest.raises(ValueError, match=names.replace(".", r"\.")):
        load_config(None, [override])


def test_the_words_on_and_off_are_words(tmp_path: Path) -> None:
    assert load_config(None, ["learner.bf16=off"]).learner.bf16 == "off"
    preset = tmp_path / "preset.yaml"
    preset.write_text("learner: {bf16: on}")
    assert load_config(preset).learner.bf16 == "on"


def test_the_overrides_that_help_shows_are_taken() -> None:
    demo = Path("configs/demo.yaml")
    assert load_config(demo, ["seed=1", "cluster.mode=serial", "cluster.learners=1"]).cluster.mode == "serial"
    load_config(demo, ["evaluation.episodes=50"])
    compose(PretrainConfig, [], ["seed=1", "frames=20000"])


def test_serial_mode_refuses_staleness_and_many_learners() -> None:
    with pytest.raises(ValueError, match=r"distil\.staleness=0"):
        load_config(None, ["cluster.mode=serial", "distil.staleness=1"])
    with pytest.raises(ValueError, match=r"cluster\.learners=1"):
        load_config(None, ["cluster.mode=serial", "cluster.learners=2"])


def test_a_missing_or_broken_preset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no config file"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2")
    with pytest.raises(ValueError, match="not readable as YAML"):
        load_config(broken)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_loads_and_survives_a_round_trip(preset: Path, tmp_path: Path) -> None:
    config = load_config(preset, ["seed=7"])
    written = tmp_path / "config.yaml"
    written.write_text(dump_config(config))
    assert load_config(written) == config
    assert config.seed == 7


def test_defaults_survive_a_round_trip(tmp_path: Path) -> None:
    written = tmp_path / "config.yaml"
    written.write_text(dump_config(RunConfig()))
    assert load_config(written) == RunConfig()


def test_the_config_imports_neither_torch_nor_ray() -> None:
    heavy = "{'torch', 'ray', 'transformers', 'deepspeed'}"
    code = f"import sys, cluster.config; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_page_lists_every_key_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    table = re.findall(
        r"^\| `([a-z0-9_.]+)` \| `(.+?)` \| .+ \|$", page.partition("## All keys")[2], re.MULTILINE
    )
    assert {key: yaml.safe_load(value) for key, value in table} == flat(
        yaml.safe_load(dump_config(RunConfig()))
    )


def test_the_page_lists_what_can_change_on_resume() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    listed = re.findall(r"`([a-z_.]+)\*?`", page.partition("What can change:")[2].partition("\n\n")[0])
    assert sorted(listed) == sorted(MAY_CHANGE)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as "a.b"; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return found


def test_ray_serve_takes_the_teachers_manifest() -> None:
    schema = pytest.importorskip("ray.serve.schema")
    manifest = Path(__file__).parents[2] / "cluster" / "manifests" / "teacher_llm.yaml"
    deploy = schema.ServeDeploySchema.model_validate(yaml.safe_load(manifest.read_text("utf-8")))
    served = deploy.applications[0].args["llm_configs"][0]["model_loading_config"]["model_id"]
    asked = load_config(Path(__file__).parents[2] / "configs" / "llm-teacher.yaml").teacher.endpoint
    assert (asked.model, asked.url) == (served, f"http://127.0.0.1:{deploy.http_options.port}/v1")

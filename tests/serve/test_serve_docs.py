"""The curl lines of the documentation, as they stand there, against a real server."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from served import served
from serving import observations
from tiny import tiny_student

from serve.images import encode_frame
from student.fingerprint import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SERVED = "http://127.0.0.1:8000"
TOLD = """curl() { command curl --write-out '\\n%{http_code}\\n' "$@"; }\n"""
"""Each curl's answer is followed by its status."""


def blocks() -> list[tuple[str, str]]:
    """(page, script) of every block of shell that has a curl in it."""
    fence = re.compile(r"```(?:sh|bash|console)\n(.+?)```", re.DOTALL)
    found = [(page.name, code) for page in PAGES for code in fence.findall(page.read_text("utf-8"))]
    return [(page, code) for page, code in found if re.search(r"\bcurl\b", code)]


def run(code: str, folder: Path) -> list[tuple[int, dict[str, Any]]]:
    """(status, answer) of each curl in a script that is run in `folder`."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", TOLD + code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().split("\n")
    answers = [(int(status), json.loads(body)) for body, status in zip(lines[::2], lines[1::2], strict=True)]
    assert len(answers) == len(re.findall(r"^curl\b", code, re.MULTILINE))
    return answers


def test_every_curl_on_the_pages_is_answered(tmp_path: Path) -> None:
    old, new = tmp_path / "demo", tmp_path / "RUN" / "export" / "student"
    tiny_student(seed=1).save(old, {"title": "demo"})
    tiny_student(seed=2).save(new, {"title": "next"})
    frame = encode_frame(observations(1)[0].frame)
    (tmp_path / "frame.png").write_bytes(base64.b64decode(frame))
    scripts = blocks()
    assert {page for page, _ in scripts} == {"serve.md"}
    asked: set[str] = set()
    with served(old, tmp_path / "log", f"models_under={tmp_path}") as (_, url):
        for page, code in scripts:
            assert SERVED in code, page
            own = code.replace(SERVED, url).replace("0123456789ab", fingerprint(new))
            for status, answer in run(own, tmp_path):
                assert 200 <= status < 300, (page, code, answer)
                if "action" in answer:
                    asked.add("decision")
                    assert answer["action"] in code
                    assert answer["logprob"] <= 0
                    assert len(answer["alternatives"]) > 1
                else:
                    asked.add("change")
                    (replica,) = answer["replicas"].values()
                    assert replica == {"revision": answer["revision"], "trouble": ""}
                    versions = {one["version"]: one["share"] for one in answer["data"][0]["versions"]}
                    assert sum(versions.values()) == pytest.approx(1.0)
    assert asked == {"decision", "change"}
    assert versions == {fingerprint(new): 1.0}

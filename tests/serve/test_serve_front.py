"""What stands before the replicas: its settings, and the side doors that Ray leaves open."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE

from serve.config import ServeConfig
from serve.front import ray_settings
from serve.haproxy import closed

RAYS = HAPROXY_CONFIG_TEMPLATE.replace("{{ config.metrics_port }}", "9101").replace(
    "{{ config.stats_port }}", "8404"
)
"""The configuration as the installed Ray writes it, as far as doors go."""


def test_the_side_doors_of_the_installed_ray_are_closed() -> None:
    config = closed(RAYS, Path("/x/503.http"))
    bound = [line.split()[1] for line in config.splitlines() if line.strip().startswith("bind ")]
    served = ["{{", "{{"]  # HTTP and gRPC: the address that is asked for
    assert sorted(bound) == sorted(["127.0.0.1:9101", "127.0.0.1:8404", *served])
    assert config.count("errorfile 50") == config.count("/x/503.http") == 3


@pytest.mark.parametrize("config", ["", RAYS.replace("listen stats", "listen statistics"), RAYS + RAYS])
def test_a_configuration_that_is_not_as_known_is_not_run(config: str) -> None:
    with pytest.raises(ValueError, match="side doors"):
        closed(config, Path("/x/503.http"))


def test_two_servers_share_neither_files_nor_ports() -> None:
    one, other = (ray_settings(ServeConfig(front="haproxy")) for _ in range(2))
    for name in one:
        if name.endswith(("_PORT", "_LOC", "_PATH", "_BASE", "_FILE")):
            assert one[name] != other[name], name
    program = Path(one["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert stat.S_IMODE(program.parent.stat().st_mode) == 0o700


def test_ray_s_own_proxy_stands_there_where_asked_for_and_where_tls_is(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.touch()
    asked = ServeConfig(front="ray"), ServeConfig(tls_cert=str(pem), tls_key=str(pem))
    for config in asked:
        assert "RAY_SERVE_ENABLE_HA_PROXY" not in ray_settings(config)
    assert ray_settings(ServeConfig())["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    with pytest.raises(ValueError, match="front"):
        ServeConfig(front="haproxy", tls_cert=str(pem), tls_key=str(pem))
    with pytest.raises(ValueError, match="front"):
        ServeConfig(front="nginx")  # type: ignore[arg-type]

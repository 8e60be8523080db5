"""The image and the compose file, as far as they can be judged without a Docker engine."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ops.artefacts import ROOT, load_yaml

DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
COMPOSE = load_yaml("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DAEMON = SERVICES["mm"]
TOKEN = "a-token-of-sufficient-length"


def instructions(name: str) -> list[str]:
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


@pytest.fixture(params=SERVICES, ids=str)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    name: str = request.param
    return SERVICES[name]


def test_the_image_is_slim_and_its_process_is_not_root() -> None:
    assert all(re.fullmatch(r"python:3\.\d+-slim\S*( AS \w+)?", x) for x in instructions("FROM"))
    assert instructions("USER") == ["mm"]
    (made,) = [run for run in instructions("RUN") if "useradd" in run]
    assert re.search(r"--uid [1-9]\d{3,}", made)


def test_the_image_holds_the_locked_packages_and_no_tools_of_development() -> None:
    (locked,) = [run for run in instructions("RUN") if "--require-hashes" in run]
    assert "requirements-run.lock" in locked
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-run.lock").read_text(), re.MULTILINE)
    assert not {"pytest", "mypy", "ruff", "hypothesis", "playwright"} & set(names)


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for copy in instructions("COPY"):
        if copy.startswith("--from"):
            continue
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in ignored, f"{source} is kept out"


def test_signals_reach_the_daemon() -> None:
    assert instructions("ENTRYPOINT") == ['["docker-entrypoint"]']
    assert instructions("CMD") == ['["run", "--config", "/etc/mm/default.toml"]']
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert (ROOT / "docker-entrypoint").read_text().splitlines()[-1] == 'exec mm "$@"'
    assert DAEMON["init"] is True
    assert int(DAEMON["stop_grace_period"].rstrip("s")) >= 10


def test_both_health_checks_ask_healthz() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert "127.0.0.1:8080/healthz" in check
    assert "127.0.0.1:8080/healthz" in DAEMON["healthcheck"]["test"][-1]


def test_ports_are_published_on_loopback_only(service: dict[str, Any]) -> None:
    assert service["ports"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_a_service_is_checked_restrained_and_bounded(service: dict[str, Any]) -> None:
    assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"].startswith("on-failure")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "privileged" not in service
    assert service.get("network_mode") != "host"


def test_images_are_pinned(service: dict[str, Any]) -> None:
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_what_is_mounted_exists_and_only_state_is_writable(service: dict[str, Any]) -> None:
    for mount in service["volumes"]:
        source, _, mode = (*mount.split(":"), "")[:3]
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert mode == "ro", mount
        else:
            assert source in COMPOSE["volumes"], source


def test_secrets_are_files_that_git_and_the_image_never_see(service: dict[str, Any]) -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for name in service.get("secrets", []):
        assert COMPOSE["secrets"][name] == {"file": f"./secrets/{name}"}
    assert "/secrets/" in ignored
    assert not any(
        "TOKEN" in key or key.endswith("PASSWORD") for key in service.get("environment", {})
    )


def test_grafana_finds_what_is_mounted_for_it() -> None:
    mounts = {m.split(":")[0]: m.split(":")[1] for m in SERVICES["grafana"]["volumes"]}
    (provider,) = load_yaml("grafana/provisioning/dashboards/mm.yml")["providers"]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{mounts['./grafana/dashboards']}/calibration.json"
    assert (ROOT / "grafana/dashboards/calibration.json").exists()
    (source,) = load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"


def image_environment(data: Path) -> dict[str, str]:
    """What the image sets, with the state in `data` and a web server off the network."""
    (declared,) = instructions("ENV")[-1:]
    image = dict(pair.split("=", 1) for pair in declared.split())
    assert image["MM_WEB__HOST"] == "0.0.0.0"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MM_", "COV"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**inherited, **image, "PATH": path, "MM_DAEMON__DATA_DIR": str(data)}


def test_without_a_token_the_container_refuses_to_listen_to_the_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "docker-entrypoint"), "run", "--config", str(ROOT / "config/default.toml")],
        env=image_environment(tmp_path / "data"),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4
    assert "MM_WEB__TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_entry_point_becomes_the_daemon_and_stops_on_sigterm(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    environment = image_environment(data) | {
        "MM_WEB__HOST": "127.0.0.1",  # tests listen on loopback only
        "MM_WEB__PORT": "0",
        "MM_WEB__TOKEN": TOKEN,
    }
    with log.open("w") as output:
        daemon = subprocess.Popen(
            [str(ROOT / "docker-entrypoint"), "run", "--config", str(ROOT / "config/default.toml")],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while "Link up" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=60) == 0, log.read_text()
        finally:
            daemon.kill()
            daemon.wait()
    assert "Link up" in log.read_text()
    assert TOKEN not in log.read_text()

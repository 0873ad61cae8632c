"""compose.yaml and what it mounts agree with one another and with the code; nothing is run here."""

import json
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from pgmigrator import __version__
from pgmigrator.cli import cli
from pgmigrator.demo.stage import DESTINATION_SETTINGS, SOURCE_SETTINGS
from pgmigrator.settings import Http, load
from tests.fixtures.tools import ROOT, run_tool

COMPOSE = ROOT / "compose.yaml"
RULES = ROOT / "alerts" / "postgres-migrator.rules.yaml"
PROVISIONING = ROOT / "compose" / "grafana" / "provisioning"
OURS = ("application-setup", "application", "application-moved", "daemon")


@cache
def services() -> dict[str, Any]:
    """Every service, as docker-compose itself understands it: merged, interpolated, validated."""
    options = ("--file", COMPOSE, "--profile", "cutover")
    text = run_tool("docker-compose", *options, "config", "--format", "json")
    found: dict[str, Any] = json.loads(text)["services"]
    return found


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def mounts(service: str) -> dict[str, Path]:
    """The files and folders of this repository that a service sees, by where it sees them."""
    volumes = services()[service]["volumes"]
    return {each["target"]: Path(each["source"]) for each in volumes if each["type"] == "bind"}


def ports(service: str) -> set[int]:
    return {each["target"] for each in services()[service].get("ports", ())}


def reaches(address: str) -> bool:
    """Tell whether another service is meant, and a port that it has."""
    target = urlsplit(address if "//" in address else f"//{address}")
    return target.hostname in services() and target.port in ports(str(target.hostname))


def prometheus() -> Any:
    return document(ROOT / "compose" / "prometheus.yml")


def test_every_mounted_file_is_there() -> None:
    missing = [
        str(path)
        for service in services()
        for path in (mounts(service).values() if "volumes" in services()[service] else ())
        if not path.exists()
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("service", "settings"), [("source", SOURCE_SETTINGS), ("destination", DESTINATION_SETTINGS)]
)
def test_the_servers_are_set_as_those_of_the_demo(service: str, settings: dict[str, str]) -> None:
    program, *options = services()[service]["command"]
    assert program == "postgres"
    given = dict(option.removeprefix("--").split("=") for option in options)
    assert given == settings


def test_the_daemons_settings_are_valid() -> None:
    daemon = services()["daemon"]
    settings = load(daemon["environment"])
    assert {each.host for each in settings.instances.values()} <= set(services())
    assert settings.http.control_token is not None
    assert ports("daemon") == {Http().port}


def test_our_containers_may_do_next_to_nothing() -> None:
    for name in OURS:
        service = services()[name]
        assert service["image"] == f"postgres-migrator:{__version__}"
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert [name for name, service in services().items() if "build" in service] == ["daemon"]


def test_the_application_is_complete_before_the_daemon_looks() -> None:
    needs = services()["daemon"]["depends_on"]
    assert needs["application-setup"]["condition"] == "service_completed_successfully"
    assert needs["destination"]["condition"] == "service_healthy"


def test_nothing_is_served_beyond_this_machine_and_every_image_has_a_version() -> None:
    for service in services().values():
        assert {each["host_ip"] for each in service.get("ports", ())} <= {"127.0.0.1"}
        assert re.search(r":v?\d[\w.-]*$", service["image"])


def test_the_commands_at_its_head_exist() -> None:
    head = COMPOSE.read_text().partition("\nname:")[0]
    asked = re.findall(r"docker compose (stop|exec|.*up --detach) ([a-z-]+)", head)
    assert len(asked) == 4
    assert {service for _, service in asked} <= set(services())
    verbs = re.findall(r"pgmigrator ([a-z]+) demo", head)
    assert verbs == ["switch", "complete"]
    assert set(verbs) <= set(cli.commands)


# --- Prometheus and Alertmanager ------------------------------------------------------------------


def test_prometheus_accepts_its_configuration() -> None:
    run_tool("promtool", "check", "config", "--syntax-only", "compose/prometheus.yml")


def test_alertmanager_accepts_its_configuration() -> None:
    run_tool("amtool", "check-config", "compose/alertmanager.yml")


def test_prometheus_scrapes_the_daemon_and_tells_alertmanager() -> None:
    (job,) = prometheus()["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"daemon:{Http().port}"]}]
    (alertmanager,) = prometheus()["alerting"]["alertmanagers"]
    assert all(reaches(to) for each in alertmanager["static_configs"] for to in each["targets"])


def test_prometheus_loads_the_rules_and_has_the_job_that_they_name() -> None:
    (pattern,) = prometheus()["rule_files"]
    seen = [path for target, path in mounts("prometheus").items() if fnmatch(target, pattern)]
    assert seen == [RULES]
    jobs = set(re.findall(r'job="([^"]+)"', RULES.read_text()))
    assert jobs == {job["job_name"] for job in prometheus()["scrape_configs"]}


@pytest.mark.parametrize("service", ["prometheus", "alertmanager"])
def test_the_configuration_is_where_the_program_looks(service: str) -> None:
    options = dict(each.split("=", 1) for each in services()[service]["command"])
    assert options["--config.file"] in mounts(service)


# --- Grafana --------------------------------------------------------------------------------------


def test_grafana_asks_services_that_are_there() -> None:
    sources = document(PROVISIONING / "datasources" / "prometheus.yaml")["datasources"]
    assert [each["type"] for each in sources] == ["prometheus", "alertmanager"]
    assert all(reaches(each["url"]) for each in sources)
    assert [each["uid"] for each in sources if each.get("isDefault")] == ["prometheus"]


def test_grafana_finds_the_dashboards_and_lands_on_the_overview() -> None:
    (provider,) = document(PROVISIONING / "dashboards" / "postgres-migrator.yaml")["providers"]
    assert provider["allowUiUpdates"] is False
    folder = provider["options"]["path"]
    assert mounts("grafana")[folder] == ROOT / "dashboards"
    environment = services()["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert home.name == "pgmigrator-overview.json"
    assert (ROOT / "dashboards" / home.name).exists()
    assert mounts("grafana")["/etc/grafana/provisioning"] == PROVISIONING


def test_the_links_of_alerts_lead_to_grafana() -> None:
    bases = prometheus()["global"]["external_labels"]
    assert set(bases) == set(re.findall(r"externalLabels\.(\w+)", RULES.read_text()))
    published = {each["published"]: each["target"] for each in services()["grafana"]["ports"]}
    for url in map(urlsplit, bases.values()):
        assert (url.hostname, published[str(url.port)]) == ("localhost", 3000)


def test_grafana_serves_the_runbooks_where_alerts_and_panels_look_for_them() -> None:
    path = urlsplit(prometheus()["global"]["external_labels"]["runbooks_url"]).path
    assert path.startswith("/public/"), "what Grafana serves as it is"
    assert mounts("grafana")[f"/usr/share/grafana{path}"] == ROOT / "docs" / "runbooks"
    for board in (ROOT / "dashboards").glob("*.json"):
        variables = json.loads(board.read_text())["templating"]["list"]
        assert [v["query"] for v in variables if v["name"] == "runbooks"] == [path]


def test_every_dashboard_asks_a_data_source_that_is_there() -> None:
    sources = document(PROVISIONING / "datasources" / "prometheus.yaml")["datasources"]
    known = {each["uid"] for each in sources} | {"${datasource}", "-- Grafana --", "-- Mixed --"}
    for path in (ROOT / "dashboards").glob("*.json"):
        model = json.loads(path.read_text())
        assert {uid for uid in _source_uids(model) if uid} <= known, path.name
        (variable,) = (v for v in model["templating"]["list"] if v["name"] == "datasource")
        assert variable["query"] in {each["type"] for each in sources}


def _source_uids(model: object) -> set[str]:
    """The uid of every `datasource` anywhere in a dashboard."""
    if isinstance(model, list):
        return set().union(*map(_source_uids, model))
    if not isinstance(model, dict):
        return set()
    source = model.get("datasource")
    own = {source["uid"]} if isinstance(source, dict) and "uid" in source else set()
    return own.union(*map(_source_uids, model.values()))

"""The manifests as kustomize builds them: valid for three versions, restricted, of one mind.

The kinds of the Prometheus operator and of Flux are checked with models that are generated from
their own definitions, fields that those do not know refused. No cluster takes part.
"""

import copy
import importlib.util
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cloudcoil.models.fluxcd.kustomize.v1 as flux_kustomize
import cloudcoil.models.fluxcd.source.v1 as flux_source
import cloudcoil.models.prometheus_operator.v1 as prometheus_operator
import pydantic
import pytest
import yaml
from kubernetes_validate import ValidationError, validate
from pydantic import SecretStr

from pgmigrator import __version__
from pgmigrator.postgres.children import TERMINATE_TIMEOUT_SECONDS
from pgmigrator.runtime.mapping import CLOSING_SECONDS
from pgmigrator.settings import Http, load
from pgmigrator.settings.load import secrets
from pgmigrator.surface.http import create_application
from pgmigrator.surface.instruments import create_instruments
from tests.fixtures.tools import ROOT, run_tool
from tests.unit.surface_samples import FakeControl, report

VERSIONS = ("1.35", "1.36", "1.37")
OVERLAYS = ("plain", "prometheus-operator")
OPERATOR_KINDS = {"ServiceMonitor", "PrometheusRule"}
#: by apiVersion: what no cluster knows by itself
MODELS = {
    "monitoring.coreos.com/v1": prometheus_operator,
    "source.toolkit.fluxcd.io/v1": flux_source,
    "kustomize.toolkit.fluxcd.io/v1": flux_kustomize,
}
RULES = ROOT / "alerts" / "postgres-migrator.rules.yaml"
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.json"))
FLUX = ROOT / "k8s" / "flux-example"

Manifest = dict[str, Any]


@cache
def built(folder: Path) -> tuple[Manifest, ...]:
    return tuple(yaml.safe_load_all(run_tool("kustomize", "build", folder)))


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return built(ROOT / "k8s" / "overlays" / request.param)


@pytest.fixture(scope="module")
def operator() -> tuple[Manifest, ...]:
    return built(ROOT / "k8s" / "overlays" / "prometheus-operator")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    """What Flux builds from the example: with this repository included as `upstream`."""
    fleet = tmp_path_factory.mktemp("fleet")
    shutil.copytree(FLUX / "postgres-migrator", fleet / "postgres-migrator")
    for needed in ("k8s", "alerts", "dashboards"):
        shutil.copytree(ROOT / needed, fleet / "upstream" / needed)
    return built(fleet / "postgres-migrator")


def one(manifests: tuple[Manifest, ...], kind: str, name: str = "postgres-migrator") -> Manifest:
    (found,) = (m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name)
    return found


def pod(manifests: tuple[Manifest, ...]) -> Manifest:
    template: Manifest = one(manifests, "Deployment")["spec"]["template"]
    return template


def container(manifests: tuple[Manifest, ...]) -> Manifest:
    (found,) = pod(manifests)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_strictly_valid(manifests: tuple[Manifest, ...], version: str) -> None:
    checked = [m for m in manifests if m["kind"] not in OPERATOR_KINDS]
    assert {m["kind"] for m in checked} >= {"Namespace", "Deployment", "Service", "NetworkPolicy"}
    for manifest in checked:
        validate(manifest, version, strict=True)


def test_the_validation_notices_a_misspelt_field() -> None:
    service = one(built(ROOT / "k8s" / "overlays" / "plain"), "Service")
    misspelt = service | {"spec": service["spec"] | {"selectors": {}}}
    with pytest.raises(ValidationError, match="selectors"):
        validate(misspelt, VERSIONS[-1], strict=True)


def validate_resource(manifest: Manifest) -> None:
    """Check a manifest of a custom resource; raises pydantic.ValidationError."""
    model = getattr(MODELS[manifest["apiVersion"]], manifest["kind"])
    model.model_validate(manifest, extra="forbid")


def test_the_manifests_of_the_operator_are_strictly_valid(operator: tuple[Manifest, ...]) -> None:
    for kind in OPERATOR_KINDS:
        validate_resource(one(operator, kind))


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ServiceMonitor", ("spec",)),
        ("ServiceMonitor", ("spec", "endpoints", 0)),
        ("PrometheusRule", ("spec", "groups", 0)),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0)),
    ],
)
def test_the_models_of_the_operator_notice_a_misspelt_field(
    operator: tuple[Manifest, ...], kind: str, path: tuple[str | int, ...]
) -> None:
    misspelt = copy.deepcopy(one(operator, kind))
    inner: Any = misspelt
    for step in path:
        inner = inner[step]
    inner["intervall"] = "5s"
    with pytest.raises(pydantic.ValidationError, match="intervall"):
        validate_resource(misspelt)


def test_the_models_of_the_operator_notice_a_wrong_value(operator: tuple[Manifest, ...]) -> None:
    wrong = copy.deepcopy(one(operator, "ServiceMonitor"))
    wrong["spec"]["endpoints"][0]["interval"] = "5 seconds"
    with pytest.raises(pydantic.ValidationError, match="interval"):
        validate_resource(wrong)


def test_everything_has_the_recommended_labels_and_one_namespace(
    manifests: tuple[Manifest, ...],
) -> None:
    namespace = one(manifests, "Namespace")["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in manifests:
        metadata = manifest["metadata"]
        assert metadata["labels"]["app.kubernetes.io/name"] == "postgres-migrator"
        assert metadata.get("namespace", metadata["name"]) == namespace["name"]


def test_the_pod_is_restricted(manifests: tuple[Manifest, ...]) -> None:
    spec = pod(manifests)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    user = spec["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}\n" in (ROOT / "Dockerfile").read_text()
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == set(container(manifests)["resources"])


def test_there_are_never_two_daemons(manifests: tuple[Manifest, ...]) -> None:
    spec = one(manifests, "Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_the_daemon_has_time_to_end(manifests: tuple[Manifest, ...]) -> None:
    longest_seconds = 2 * CLOSING_SECONDS + TERMINATE_TIMEOUT_SECONDS
    assert pod(manifests)["spec"]["terminationGracePeriodSeconds"] >= 2 * longest_seconds


def test_each_probe_asks_its_own_question(manifests: tuple[Manifest, ...]) -> None:
    application = create_application(FakeControl(report()), create_instruments(), None)
    served = {r.resource.canonical for r in application.router.routes() if r.resource}
    asked = {
        name: container(manifests)[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": "/startupz",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert set(asked.values()) <= served


def test_every_port_is_the_daemons(manifests: tuple[Manifest, ...]) -> None:
    (port,) = container(manifests)["ports"]
    assert (port["name"], port["containerPort"]) == ("http", Http().port)
    (served,) = one(manifests, "Service")["spec"]["ports"]
    assert (served["name"], served["port"], served["targetPort"]) == ("http", Http().port, "http")
    assert "PGMIGRATOR_HTTP__HOST=0.0.0.0" in (ROOT / "Dockerfile").read_text()
    (ingress,) = one(manifests, "NetworkPolicy")["spec"]["ingress"]
    assert [each["port"] for each in ingress["ports"]] == ["http"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert {container(manifests)[name]["httpGet"]["port"] for name in probes} == {"http"}


def test_every_selector_finds_the_pod(manifests: tuple[Manifest, ...]) -> None:
    labels = pod(manifests)["metadata"]["labels"].items()
    service = one(manifests, "Service")
    policy = one(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= labels
    assert policy.items() <= labels
    assert one(manifests, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels


def test_secrets_are_files_where_the_daemon_looks(manifests: tuple[Manifest, ...]) -> None:
    env = {each["name"]: each["value"] for each in container(manifests)["env"]}
    mounts = {each["name"]: each["mountPath"] for each in container(manifests)["volumeMounts"]}
    assert env == {"PGMIGRATOR_SECRETS_DIR": mounts["secrets"]}
    volumes = {each["name"]: each for each in pod(manifests)["spec"]["volumes"]}
    assert volumes["secrets"]["secret"]["secretName"] == "postgres-migrator-secrets"
    assert mounts["tmp"] == "/tmp"
    assert volumes["tmp"]["emptyDir"]["medium"] == "Memory"
    sources = container(manifests)["envFrom"]
    assert sources == [{"configMapRef": {"name": "postgres-migrator-settings"}}]


def test_the_image_is_this_version(manifests: tuple[Manifest, ...]) -> None:
    assert container(manifests)["image"] == f"postgres-migrator:{__version__}"


def test_every_dashboard_is_a_config_map_for_the_sidecar(manifests: tuple[Manifest, ...]) -> None:
    shown = [m for m in manifests if "grafana_dashboard" in m["metadata"]["labels"]]
    held = {}
    for manifest in shown:
        metadata = manifest["metadata"]
        assert metadata["labels"]["grafana_dashboard"] == "1"
        assert metadata["annotations"]["grafana_folder"] == "postgres-migrator"
        assert metadata["annotations"]["kustomize.toolkit.fluxcd.io/substitute"] == "disabled"
        ((name, text),) = manifest["data"].items()
        assert name == f"{metadata['name']}.json"
        assert len(text) < 200_000
        held[name] = text
    how = "each has its place in dashboards/kustomization.yaml"
    assert held == {path.name: path.read_text() for path in DASHBOARDS}, how


# --- the rules and the metrics --------------------------------------------------------------------


def rules() -> Any:
    return yaml.safe_load(RULES.read_text())


def test_the_plain_overlay_has_the_rules_as_a_file() -> None:
    plain = built(ROOT / "k8s" / "overlays" / "plain")
    data = one(plain, "ConfigMap", "postgres-migrator-rules")["data"]
    assert data == {RULES.name: RULES.read_text()}
    annotations = one(plain, "Service")["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(Http().port)


def test_the_prometheus_rule_is_the_rules_and_made_from_them(
    operator: tuple[Manifest, ...],
) -> None:
    assert one(operator, "PrometheusRule")["spec"] == rules()
    generate = _script("prometheusrule").prometheus_rule
    committed = ROOT / "k8s" / "overlays" / "prometheus-operator" / "prometheusrule.yaml"
    how = "python .ci/prometheusrule.py < alerts/postgres-migrator.rules.yaml > " + str(committed)
    assert committed.read_text() == generate(RULES.read_text()), how


def test_the_service_monitor_finds_the_service_and_gives_the_job_its_name(
    operator: tuple[Manifest, ...],
) -> None:
    spec = one(operator, "ServiceMonitor")["spec"]
    service = one(operator, "Service")
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert isinstance(endpoint["port"], str)
    jobs = set(re.findall(r'job="([^"]+)"', RULES.read_text()))
    assert jobs == {service["metadata"]["name"]}


def test_only_the_overlay_knows_how_prometheus_selects(operator: tuple[Manifest, ...]) -> None:
    selected = {m["kind"] for m in operator if "release" in m["metadata"]["labels"]}
    assert selected == OPERATOR_KINDS
    base = "".join(path.read_text() for path in (ROOT / "k8s" / "base").glob("*.yaml"))
    assert "release:" not in base


# --- Flux -----------------------------------------------------------------------------------------


def variables(path: Path, edit: Callable[[str], str] = str) -> dict[str, str]:
    lines = edit(path.read_text()).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_flux_builds_settings_and_secrets_whose_change_restarts_the_daemon(
    flux: tuple[Manifest, ...],
) -> None:
    (settings,) = (m for m in flux if "-settings-" in m["metadata"]["name"])
    (secret,) = (m for m in flux if m["kind"] == "Secret")
    assert settings["data"] == variables(FLUX / "postgres-migrator" / "settings.env")
    assert set(secret["data"]) == set(variables(FLUX / "postgres-migrator" / "secrets.env"))
    reference = container(flux)["envFrom"][0]["configMapRef"]["name"]
    assert reference == settings["metadata"]["name"]
    (volume,) = (v for v in pod(flux)["spec"]["volumes"] if v["name"] == "secrets")
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    for name in (settings["metadata"]["name"], secret["metadata"]["name"]):
        assert re.search(r"-[a-z0-9]{10}$", name), "the name must carry the hash of the content"
    for manifest in flux:
        if manifest["kind"] not in OPERATOR_KINDS:
            validate(manifest, VERSIONS[-1], strict=True)


def test_the_settings_of_the_flux_example_are_valid_and_hold_no_secret(tmp_path: Path) -> None:
    folder = FLUX / "postgres-migrator"
    for name, value in variables(folder / "secrets.env").items():
        (tmp_path / name).write_text(value)
    environment = variables(folder / "settings.env")
    settings = load(environment | {"PGMIGRATOR_SECRETS_DIR": str(tmp_path)})
    assert isinstance(settings.http.control_token, SecretStr)
    assert settings.mappings["orders"].complete is False
    assert secrets(load(environment)) == ()


def test_the_declared_end_is_one_line_to_uncomment() -> None:
    path = FLUX / "postgres-migrator" / "settings.env"
    ended = load(variables(path, lambda text: text.replace("\n#PGMIGRATOR", "\nPGMIGRATOR")))
    assert ended.mappings["orders"].complete is True


def test_the_objects_of_flux_name_one_another() -> None:
    objects = list(
        yaml.safe_load_all((FLUX / "flux-system" / "postgres-migrator.yaml").read_text())
    )
    for each in objects:
        validate_resource(each)
    upstream, fleet, kustomization = objects
    assert upstream["spec"]["ref"]["tag"] == f"v{__version__}"
    (include,) = fleet["spec"]["include"]
    assert include["repository"]["name"] == upstream["metadata"]["name"]
    source = kustomization["spec"]["sourceRef"]
    assert source == {"kind": fleet["kind"], "name": fleet["metadata"]["name"]}
    assert kustomization["spec"]["path"] == "./postgres-migrator"
    (resource,) = yaml.safe_load((FLUX / "postgres-migrator" / "kustomization.yaml").read_text())[
        "resources"
    ]
    folder = resource.removeprefix(f"../{include['toPath']}/")
    assert (ROOT / folder / "kustomization.yaml").exists()


def _script(name: str) -> Any:
    """Load a script of .ci, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

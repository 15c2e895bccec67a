"""compose.yaml and the Kubernetes manifests are what their schemas allow, set what exists and confine what they start."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from entrypoints.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"
COMPOSE = [ROOT / "compose.yaml", ROOT / "compose.gpu.yaml", *sorted((ROOT / "tests" / "compose_test").glob("*.yaml"))]
#: The oldest and the newest API that the manifests are tried on.
KUBERNETES = ("1.29", "1.37")
OURS = "imaging-service"

Spec = Mapping[str, Any]
SETTINGS = {f"IMAGING_{name.upper()}" for name in Settings.model_fields}


def services() -> dict[str, Spec]:
    """The services of compose.yaml that run our image."""
    found = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return {name: spec for name, spec in found.items() if spec["image"].startswith(OURS)}


def documents() -> Iterator[tuple[str, Spec]]:
    """Every object of the manifests, with its kind and name."""
    for name in kustomization()["resources"]:
        for document in yaml.safe_load_all((MANIFESTS / name).read_text()):
            yield f"{document['kind']}/{document['metadata']['name']}", document


def kustomization() -> Spec:
    loaded: Spec = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())
    return loaded


def pods() -> dict[str, Spec]:
    """What each deployment starts."""
    return {
        name: spec["spec"]["template"] for name, spec in documents() if spec["kind"] in {"Deployment", "StatefulSet"}
    }


def set_by(container: Spec) -> dict[str, str | None]:
    """The variables of a container; None for those that come from a secret."""
    told = {one["name"]: one.get("value") for one in container.get("env", ())}
    if container.get("envFrom") == [{"configMapRef": {"name": "imaging-settings"}}]:
        told |= dict(line.split("=", 1) for line in kustomization()["configMapGenerator"][0]["literals"])
    return told


# --- Compose ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_a_compose_file_keeps_to_the_specification(path: Path) -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())

    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_compose_sets_what_is_a_setting() -> None:
    for name, spec in services().items():
        ours = {variable for variable in spec.get("environment", {}) if variable.startswith("IMAGING_")}
        assert ours <= SETTINGS, name


def test_whatever_is_a_setting_can_be_put_into_the_env_file_of_compose() -> None:
    api, worker, page = (services()[name]["environment"] for name in ("fastapi", "worker", "frontend"))
    of_the_layout = {"IMAGING_DATA_DIR", "IMAGING_PORT", "IMAGING_GUI_PORT", "IMAGING_API_URL", "IMAGING_API_KEY"}

    assert of_the_layout == SETTINGS - api.keys()
    assert {name for name in api if name in SETTINGS and f"${{{name}:-" not in api[name]} == {
        *("IMAGING_REDIS_URL", "IMAGING_STABILITY_API_KEY", "IMAGING_HOST", "IMAGING_ALLOW_OPEN", "IMAGING_API_KEYS"),
        *("IMAGING_S3_REGION", "IMAGING_S3_ACCESS_KEY_ID", "IMAGING_S3_SECRET_ACCESS_KEY", "IMAGING_S3_SESSION_TOKEN"),
    }, "what goes by another name, or is not for .env"
    assert worker.keys() < api.keys()
    assert all(api[name] == worker[name] for name in worker)
    assert {"IMAGING_API_URL", "IMAGING_API_KEY", "IMAGING_LOG_LEVEL"} < page.keys()


@pytest.mark.parametrize("service", ["fastapi", "worker", "frontend"])
def test_an_env_file_that_sets_nothing_leaves_every_default(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    told = services()[service]["environment"]
    for name, value in told.items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    monkeypatch.setenv("IMAGING_DATA_DIR", str(tmp_path))
    settings = load_settings()

    unset = [
        name for name in Settings.model_fields if re.fullmatch(r"\$\{\w+:-\}", told.get(f"IMAGING_{name.upper()}", ""))
    ]
    defaults = Settings.model_construct()
    assert {name: getattr(settings, name) for name in unset} == {name: getattr(defaults, name) for name in unset}


def test_compose_confines_what_runs_our_image() -> None:
    assert set(services()) == {"fastapi", "worker", "frontend", "download"}
    for name, spec in services().items():
        assert spec["read_only"] is True, name
        assert (spec["cap_drop"], spec.get("cap_add"), spec.get("user")) == (["ALL"], None, None), name
        assert spec["security_opt"] == ["no-new-privileges:true"], name
        if name != "download":
            assert spec["healthcheck"]["test"][:3] == ["CMD", "imaging", "health"], name
    assert "\nUSER 10001:10001\n" in (ROOT / "Dockerfile").read_text()


def test_compose_publishes_on_loopback_and_no_store() -> None:
    for name, spec in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in spec.get("ports", ())), name
        assert ("ports" in spec) == (name in {"fastapi", "frontend"}), name


def test_a_stop_waits_longer_than_a_paid_call_may_take() -> None:
    longest = Settings.model_fields["stability_timeout_s"].default

    assert int(services()["worker"]["stop_grace_period"].removesuffix("s")) > longest
    assert pods()["Deployment/worker-stability"]["spec"]["terminationGracePeriodSeconds"] > longest


# --- Kubernetes ------------------------------------------------------------------------------------------


def test_every_manifest_is_listed() -> None:
    assert sorted(kustomization()["resources"]) == sorted(
        path.name for path in MANIFESTS.glob("*.yaml") if path.name != "kustomization.yaml"
    )


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_what_the_api_takes(version: str) -> None:
    for name, document in documents():
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{name}: {error.message}")


def test_every_variable_is_a_setting_and_no_secret_stands_in_a_manifest() -> None:
    secret = {
        f"IMAGING_{name.upper()}" for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)
    }
    for name, pod in pods().items():
        told = set_by(pod["spec"]["containers"][0])
        assert {variable for variable in told if variable.startswith("IMAGING_")} <= SETTINGS, name
        assert all(told[variable] is None for variable in told if variable in secret or "PASSWORD" in variable), name


def test_the_settings_of_each_pod_can_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, pod in pods().items():
        container = pod["spec"]["containers"][0]
        if container["image"] != OURS:
            continue
        with monkeypatch.context() as patch:
            for variable, value in set_by(container).items():
                patch.setenv(variable, "a-secret-of-twenty-four-characters" if value is None else value)
            settings = load_settings()
        if container["args"][1] != "gui":
            assert settings.redis_url is not None, name
            assert settings.storage_url is not None
            assert settings.storage_url.startswith("s3://")


def test_every_pod_is_confined_and_meets_no_stray_variable() -> None:
    for name, pod in pods().items():
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"startupProbe", "livenessProbe"} <= container.keys(), name
        assert {"requests", "limits"} == container["resources"].keys(), name


def test_what_selects_pods_selects_some() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    for name, document in documents():
        spec = document.get("spec", {})
        selector = {
            "Service": lambda spec=spec: spec["selector"],
            "PodDisruptionBudget": lambda spec=spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec=spec: spec["podSelector"].get("matchLabels", {}),
            "Deployment": lambda spec=spec: spec["selector"]["matchLabels"],
            "StatefulSet": lambda spec=spec: spec["selector"]["matchLabels"],
        }.get(document["kind"])
        if selector is not None:
            assert any(selector().items() <= one.items() for one in labels), name


def test_there_is_a_worker_for_each_backend_and_redis_lets_them_in() -> None:
    backends = {
        pod["spec"]["containers"][0]["args"][3]: pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in pods().values()
        if "worker" in pod["spec"]["containers"][0].get("args", ())
    }
    policy = dict(documents())["NetworkPolicy/redis"]["spec"]["ingress"][0]["from"][0]["podSelector"][
        "matchExpressions"
    ][0]

    assert backends.keys() == {"stability", "local"}
    assert {"api", *backends.values()} == set(policy["values"])

"""The files for installations: each is read by its program if that is here, and agrees with the others and the server."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callflows.settings import Settings
from each_case import each_case
from waiting import run_process

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SETTING_NAME = re.compile(r"\bCALLFLOWS_([A-Z_]+)\b")


def needs(program: str):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def run_or_fail(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = run_process(command, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def read_yaml(file: Path):
    return [*yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def check_schema(data, schema: str) -> None:
    text = resources.files("check_jsonschema").joinpath("builtin_schemas", "vendor", schema).read_text(encoding="utf-8")
    jsonschema.validators.validator_for(schema := json.loads(text))(schema).validate(data)


FILES = [*DEPLOY.rglob("*.*"), ROOT / "compose.yaml"]


@each_case("file", [file for file in FILES if file.is_file()], ids=lambda file: file.name)
def test_a_file_names_only_settings_that_there_are(file):
    named = {name.lower().removesuffix("_file") for name in SETTING_NAME.findall(file.read_text(encoding="utf-8"))}
    assert not named - Settings.model_fields.keys()


@needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    unit = (DEPLOY / "systemd" / "callflows.service").read_text(encoding="utf-8")
    (tmp_path / "callflows.service").write_text(unit.replace("/opt/callflows/bin/callflows serve", "/bin/true"))
    done = run_or_fail("systemd-analyze", "verify", "./callflows.service", folder=tmp_path)
    assert "callflows.service" not in done.stderr, "systemd ignores what it does not know, and says so"


@needs("nginx")
@pytest.mark.parametrize("name", ["callflows.conf", "replicas.conf"])
def test_nginx_takes_its_files(name, tmp_path):
    write_certificate(tmp_path)
    text = (DEPLOY / "nginx" / name).read_text(encoding="utf-8")
    text = text.replace("/etc/letsencrypt/live/calls.example.com", str(tmp_path))
    text = text.replace("replica-1:", "127.0.0.1:").replace("replica-2:", "127.0.0.2:")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {places} {text} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    run_or_fail("nginx", "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), folder=tmp_path)


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "calls.example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    now = datetime.now(UTC)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@needs("caddy")
def test_caddy_takes_its_file(tmp_path):
    shutil.copy(DEPLOY / "caddy" / "Caddyfile", tmp_path)
    run_or_fail("caddy", "adapt", "--validate", "--config", "Caddyfile", folder=tmp_path)


def test_traefik_finds_every_service_entry_point_and_resolver_that_a_router_names():
    (static,), (dynamic,) = (read_yaml(DEPLOY / "traefik" / name) for name in ("traefik.yaml", "callflows.yaml"))
    (router,) = dynamic["http"]["routers"].values()
    assert router["service"] in dynamic["http"]["services"]
    assert {*router["entryPoints"]} <= static["entryPoints"].keys()
    assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    assert static["providers"]["file"]["filename"].endswith("/callflows.yaml")


# Compose


@pytest.fixture(scope="module")
def composed():
    (composed,) = read_yaml(ROOT / "compose.yaml")
    return composed


def test_the_compose_file_is_one(composed):
    check_schema(composed, "compose-spec.json")


def test_docker_compose_takes_both_forms():
    if not shutil.which("docker") or run_process(["docker", "compose", "version"]).returncode != 0:
        pytest.skip("docker compose is not installed")
    for profile in ([], ["--profile", "scale"]):
        run_or_fail("docker", "compose", *profile, "config", "--quiet", folder=ROOT)


def test_without_the_profile_the_server_is_alone(composed):
    services = composed["services"]
    assert [name for name, service in services.items() if "profiles" not in service] == ["callflows"]
    assert {name for name, service in services.items() if service.get("profiles") == ["scale"]} == (
        services.keys() - {"callflows"}
    )


def test_the_servers_of_the_profile_differ_in_nothing_but_address_and_data_and_nginx_knows_them(composed):
    services = composed["services"]
    replicas = {name: service for name, service in services.items() if name.startswith("replica")}
    alike = [{key: value for key, value in one.items() if key not in {"volumes", "networks"}} for one in replicas.values()]
    assert alike[0] == alike[1]
    assert len({json.dumps(one["volumes"]) for one in replicas.values()}) == len(replicas) == 2
    proxied = re.findall(r"server ([\w-]+):8000", (DEPLOY / "nginx" / "replicas.conf").read_text(encoding="utf-8"))
    assert proxied == [*replicas]
    proxy = services["nginx"]["networks"]["replicas"]["ipv4_address"]
    assert {one["environment"]["CALLFLOWS_TRUSTED_PROXIES"] for one in replicas.values()} == {proxy}


# Kubernetes

KUBERNETES = DEPLOY / "kubernetes"


@pytest.fixture(scope="module")
def manifests():
    (index,) = read_yaml(KUBERNETES / "kustomization.yaml")
    return {
        (one["kind"], one["metadata"]["name"]): one for name in index["resources"] for one in read_yaml(KUBERNETES / name)
    }


@needs("kubectl")
def test_kustomize_builds_the_manifests():
    done = run_or_fail("kubectl", "kustomize", str(KUBERNETES), folder=ROOT)
    built = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert built["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["image"].endswith("/callflows:0.1.0")
    assert "front-desk.yaml" in next(
        one["data"] for one in yaml.safe_load_all(done.stdout) if one["metadata"]["name"] == "callflows-flows"
    )


def test_what_a_pod_needs_is_there(manifests):
    (index,) = read_yaml(KUBERNETES / "kustomization.yaml")
    pod = manifests["StatefulSet", "callflows"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    sources = [source for one in container["envFrom"] for source in one.values()]
    assert {source["name"] for source in sources} == {"callflows-settings", "callflows-secrets"}
    assert ("ConfigMap", "callflows-settings") in manifests
    assert ("Secret", "callflows-secrets") in manifests
    claims = {one["metadata"]["name"] for one in manifests["StatefulSet", "callflows"]["spec"]["volumeClaimTemplates"]}
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]} | claims
    (flows,) = (one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one)
    assert flows == index["configMapGenerator"][0]["name"]
    for file in index["configMapGenerator"][0]["files"]:
        assert (KUBERNETES / file).read_bytes() == (ROOT / "callflows" / Path(file).name).read_bytes()


def test_a_pod_is_asked_where_the_server_answers_and_has_time_to_stop(manifests):
    pod = manifests["StatefulSet", "callflows"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
    assert {probe["port"] for probe in probes} == {port["name"] for port in container["ports"]}
    drain = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > drain + 20, "the server stops within 20 seconds"


def test_services_autoscaler_and_budget_mean_the_pods(manifests):
    labels = manifests["StatefulSet", "callflows"]["spec"]["template"]["metadata"]["labels"]
    selectors = [one["spec"]["selector"] for (kind, _), one in manifests.items() if kind == "Service"]
    selectors.append(manifests["PodDisruptionBudget", "callflows"]["spec"]["selector"]["matchLabels"])
    assert all(selector == labels for selector in selectors)
    assert ("Service", manifests["StatefulSet", "callflows"]["spec"]["serviceName"]) in manifests
    target = manifests["HorizontalPodAutoscaler", "callflows"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in manifests


# The action and the hooks


def test_the_action_is_one_and_uses_its_inputs_safely():
    (action,) = read_yaml(ROOT / "action.yml")
    check_schema(action, "github-actions.json")
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert not [script for script in scripts if "${{" in script], "an input in a script would be run as code"
    for step in action["runs"]["steps"]:
        for expression in re.findall(r"inputs\.([\w-]+)", json.dumps(step)):
            assert expression in action["inputs"]


def test_the_scripts_of_the_action_check_and_test_a_folder(tmp_path):
    (action,) = read_yaml(ROOT / "action.yml")
    made = tmp_path / "callflows" / "bin"
    made.mkdir(parents=True)
    (made / "callflows").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/commands\n')
    (made / "callflows").chmod(0o755)
    steps = [step for step in action["runs"]["steps"] if "bin/callflows" in step.get("run", "")]
    for step in steps:
        environment = {"RUNNER_TEMP": str(tmp_path), "FLOWS": "my flows", "STRICT": "true", "PATH": "/usr/bin:/bin"}
        done = run_process(["bash", "-euo", "pipefail", "-c", step["run"]], env=environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "commands").read_text().splitlines() == ["check my flows --format github --strict", "test my flows"]


def test_the_hooks_run_commands_that_there_are():
    (hooks,) = read_yaml(ROOT / ".pre-commit-hooks.yaml")
    assert [hook["entry"] for hook in hooks] == ["callflows check --strict", "callflows test"]
    for hook in hooks:
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert re.search(hook["files"], "callflows/front-desk.yaml")


# Backup


def test_a_backup_that_is_restored_has_every_call_and_the_key_of_running_calls(tmp_path, request):
    blocks = dict(re.findall(r'```sh title="(\w+)\.sh"\n(.*?)```', (ROOT / "docs/how-to/backup.md").read_text(), re.DOTALL))
    data, flows = tmp_path / "data", tmp_path / "flows"
    shutil.copytree(ROOT / "callflows", flows)
    request.addfinalizer(remember_call(data).close)
    (data / "secret-key").write_text("k" * 43)
    (data / "effects-1.outbox").write_text("{}\n")
    before = read_files(data) | read_files(flows)
    for name in ("backup", "restore"):
        script = blocks[name].replace("/var/lib/callflows", str(data)).replace("/etc/callflows/flows", str(flows))
        script = re.sub(r"/var/backups/callflows/(\$\(date \+%F\)|[\d-]+)", str(tmp_path / "saved"), script)
        done = run_process(["bash", "-euo", "pipefail", "-c", script])
        assert done.returncode == 0, done.stderr
        if name == "backup":
            shutil.rmtree(data)
            shutil.rmtree(flows)
    assert read_files(data) | read_files(flows) == before
    assert list_calls(data) == ["a call of before"]
    assert (tmp_path / "saved").stat().st_mode & 0o077 == 0, "nobody else reads the secrets"


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("callflows.db")
    }


def open_store(data: Path):
    from callflows.journal.sql_store import SqlStore  # noqa: PLC0415 - heavy, and for one test

    store = SqlStore(f"sqlite:///{data / 'callflows.db'}")
    store.open()
    return store


def remember_call(data: Path):
    from callflows.journal.journal_tables import CALLS_TABLE  # noqa: PLC0415 - as above

    data.mkdir()
    store = open_store(data)
    with store._engine.begin() as connection:  # noqa: SLF001 - a row as it is, without a call
        connection.execute(CALLS_TABLE.insert().values(id="a call of before", started=1.0))
    return store  # it stays open: a backup is made while the server runs


def list_calls(data: Path) -> list[str]:
    from callflows.journal.stored_rows import CallFilter  # noqa: PLC0415 - as above

    with contextlib.closing(open_store(data)) as store:
        return [row["id"] for row in store.list_calls(CallFilter(limit=10))]

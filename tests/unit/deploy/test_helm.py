"""The Helm chart, rendered: Kubernetes' own schemas take what comes out, and hotrow its settings and commands."""

import json
import math
import re
import shutil
import tomllib
from typing import get_args

import kubernetes_validate
import msgspec
import pytest
import typer
import yaml
from hotrow.cli.main import app
from hotrow.settings import (
    IngestSettings,
    LogSettings,
    OfflineStoreSettings,
    OnlineStoreSettings,
    ServerSettings,
    settings_from_file,
)
from support.helm import CHART, ROOT, helm, needs_helm, pods, rendered

KUBERNETES = ("1.27", "1.31", "1.37")
PRE_STOP_S = 5

pytestmark = needs_helm

LEAST = {
    "project": "rides",
    "registry": "redis://redis:6379/1",
    "onlineStore": {"url": "redis://redis:6379/0"},
    "insecure": True,
}
TLS = {
    **LEAST,
    "insecure": False,
    "server": {"tls": {"existingSecret": "server-cert", "clientCa": True}},
    "ingest": {
        "tls": {"existingSecret": "ingest-cert", "clientCa": True, "serverName": "ingest.example.com"},
        "callerTls": {"existingSecret": "caller-cert"},
    },
}
FULL = {
    **LEAST,
    "nameOverride": "features",
    "image": {"repository": "registry.example.com/hotrow", "tag": "1", "pullSecrets": ["pull"]},
    "onlineStore": {"type": "valkey", "url": "rediss://me@redis:6380/0", "prefix": 'a"b:', "timeout_s": 0.5},
    "offlineStore": {"flush_interval_s": 3},
    "log": {"level": "debug"},
    "passwords": {
        "store": {"existingSecret": "redis", "key": "secret"},
        "registry": {"existingSecret": "redis"},
        "sentinel": {"existingSecret": "redis"},
    },
    "definitions": {"features.py": "from hotrow import Entity\n\nx = '{{ no template }}'\n"},
    "server": {
        "settings": {"workers": 4, "drain_s": 40.5, "lane": "off", "max_connection_age_s": 60},
        "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 7, "targetCPUUtilizationPercentage": 50},
        "disruptionBudget": {"maxUnavailable": "25%"},
        "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"c": "d"},
        "topologySpreadConstraints": [
            {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
    },
    "ingest": {
        "settings": {"durability": "os", "queue_rows": 1_000_000, "gc_interval_s": 0, "drain_s": 100},
        "log": {"size": "1Ti", "storageClass": "fast"},
        "service": {"port": 7000, "annotations": {"a": "b"}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"c": "d"},
    },
    "materialize": {"enabled": True, "schedule": "0 * * * *"},
    "serviceAccount": {"name": "features", "annotations": {"a": "b"}},
    "networkPolicy": {"serverFrom": [{"namespaceSelector": {}}], "ingestFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "sources", "persistentVolumeClaim": {"claimName": "sources"}}],
    "extraVolumeMounts": [{"name": "sources", "mountPath": "/sources", "readOnly": True}],
}
BARE = {
    **LEAST,
    "apply": {"enabled": False},
    "serviceAccount": {"create": False},
    "networkPolicy": {"enabled": False},
    "server": {"disruptionBudget": {"enabled": False}, "service": {"headless": False}},
    "ingest": {"log": {"persistent": False}},
}
CLAIM = {**TLS, "ingest": {**TLS["ingest"], "log": {"existingClaim": "log"}}, "materialize": {"enabled": True}}
CASES = {"least": LEAST, "tls": TLS, "full": FULL, "bare": BARE, "claim": CLAIM}


@pytest.fixture(params=CASES)
def values(request):
    """Values that people may give."""
    return CASES[request.param]


def test_the_chart_is_clean(values, tmp_path):
    """Helm's own lint, strict."""
    done = helm("lint", ".", "--strict", values=values, folder=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_kubernetes_takes_every_manifest(values, kubernetes, tmp_path):
    """Its schemas know every key and every type, from the oldest version that the chart takes."""
    for manifest in rendered(values, tmp_path, kubernetes).values():
        kubernetes_validate.validate(manifest, kubernetes, strict=True)


def test_the_values_that_the_page_shows_are_taken(tmp_path):
    """They make what Kubernetes takes."""
    page = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for manifest in rendered(yaml.safe_load(block), tmp_path).values():
        kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_a_misspelt_key_is_not_taken(tmp_path):
    """The check above sees one, deep inside."""
    manifest = rendered(LEAST, tmp_path)["Deployment", "prod-hotrow-server"]
    manifest["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_an_older_kubernetes_is_refused(tmp_path):
    """It would not know gRPC's probes."""
    done = helm("template", "prod", ".", "--kube-version", "1.26", values=LEAST, folder=tmp_path)
    assert done.returncode != 0
    assert "kubeVersion" in done.stderr


def test_hotrow_takes_the_settings(values, tmp_path):
    """What is written into the config map loads, and says what the values say."""
    for (kind, name), manifest in rendered(values, tmp_path).items():
        if kind != "ConfigMap":
            continue
        for file, text in manifest["data"].items():
            (tmp_path / file).write_text(text)
        settings = settings_from_file(tmp_path, {})
        assert (settings.project, settings.registry) == (values["project"], values["registry"]), name
        sections = {"onlineStore": settings.online_store, "offlineStore": settings.offline_store, "log": settings.log}
        given = {table: values.get(table, {}) for table in sections}
        for role in ("server", "ingest"):
            sections[role], given[role] = getattr(settings, role), values.get(role, {}).get("settings", {})
        for table, section in sections.items():
            assert {key: getattr(section, key) for key in given[table]} == given[table]
        assert (settings.server.tls is None, settings.ingest.tls is None) == (values["insecure"],) * 2
        assert settings.log.json


def test_definitions_are_mounted_as_they_are(tmp_path):
    """Nothing in them is taken for a template."""
    manifests = rendered(FULL, tmp_path)
    for name in ("prod-features", "prod-features-apply"):
        assert manifests["ConfigMap", name]["data"]["features.py"] == FULL["definitions"]["features.py"]
    mounts = pods(manifests)["Job", "prod-features-apply"]["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "repository", "mountPath": "/repo", "readOnly": True} in mounts


def test_every_pod_is_confined(values, tmp_path):
    """No root, no rights, no token, nothing to write to but volumes; memory is bounded."""
    found = pods(rendered(values, tmp_path))
    assert found
    for pod in found.values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_the_user_is_that_of_the_image():
    """Files in the image and in volumes belong to one number."""
    assert "USER 10001:10001" in (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")


def test_hotrow_takes_the_commands(values, tmp_path):
    """Each container starts a command that hotrow has, with options it knows; --insecure only where there is no TLS."""
    for (kind, _), pod in pods(rendered(values, tmp_path)).items():
        (container,) = pod["spec"]["containers"]
        words = container["args"]
        command = typer.main.get_command(app).commands[words[0]]
        assert command.make_context(words[0], words[1:]).args == []
        listens = kind in {"Deployment", "StatefulSet"}
        assert ("--insecure" in words) == (listens and values["insecure"])


def test_what_a_pod_mounts_is_there(values, tmp_path):
    """Each mount has its volume and each volume is mounted; every file that hotrow.toml names lies in one of them."""
    manifests = rendered(values, tmp_path)
    for (kind, name), pod in pods(manifests).items():
        spec = pod["spec"]
        mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        claims = manifests[kind, name]["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in spec["volumes"]} | {claim["metadata"]["name"] for claim in claims}
        assert set(mounts) == volumes
        (config,) = (volume["configMap"]["name"] for volume in spec["volumes"] if volume["name"] == "repository")
        tree = tomllib.loads(manifests["ConfigMap", config]["data"]["hotrow.toml"])
        role = "server" if kind == "Deployment" else "ingest" if kind == "StatefulSet" else ""
        tables = [tree[role].get("tls", {})] if role else []
        tables += [tree["ingest"].get("caller_tls", {})]
        files = [value for table in tables for key, value in table.items() if key != "server_name"]
        assert all(any(file.startswith(f"{folder}/") for folder in mounts.values()) for file in files)
        assert bool(files) == (not values["insecure"])


def test_a_long_name_is_cut(tmp_path):
    """Kubernetes takes 63 characters, of a StatefulSet and a CronJob fewer: it makes longer names of theirs."""
    manifests = rendered({**FULL, "fullnameOverride": "x" * 100}, tmp_path)
    for kind, name in manifests:
        assert len(name) <= (52 if kind in {"StatefulSet", "CronJob"} else 63)


def test_services_find_their_pods(values, tmp_path):
    """By labels and by the name of the port; so do the budget, the policies and the autoscaler."""
    manifests = rendered(values, tmp_path)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}

    def chosen(selector):
        return {name for name, own in labels.items() if selector.items() <= own.items()}

    assert len({tuple(sorted(own.items())) for own in labels.values()}) == len(labels)
    for (kind, name), manifest in manifests.items():
        spec = manifest.get("spec", {})
        if kind == "Service":
            (pod,) = chosen(spec["selector"])
            (port,) = pods(manifests)[pod]["spec"]["containers"][0]["ports"]
            assert (spec["ports"][0]["targetPort"], port["containerPort"]) == (port["name"], 6565 + ("ingest" in name))
        elif kind in {"Deployment", "StatefulSet", "PodDisruptionBudget"}:
            assert len(chosen(spec["selector"]["matchLabels"])) == 1
        elif kind == "NetworkPolicy":
            assert len(chosen(spec["podSelector"]["matchLabels"])) == 1
        elif kind == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            assert "replicas" not in manifests[target["kind"], target["name"]]["spec"]
    calls = {
        env["value"]
        for pod in pods(manifests).values()
        for env in pod["spec"]["containers"][0]["env"]
        if env["name"] == "HOTROW_INGEST_ADDRESS"
    }
    (address,) = calls
    host, _, port = address.partition(":")
    assert manifests["Service", host]["spec"]["ports"][0]["port"] == int(port)


def test_a_pod_has_time_to_drain(values, tmp_path):
    """Kubernetes kills it later than hotrow's own drain ends, which begins after preStop."""
    for (kind, _), pod in pods(rendered(values, tmp_path)).items():
        if kind in {"Deployment", "StatefulSet"}:
            role = "server" if kind == "Deployment" else "ingest"
            drain_s = values.get(role, {}).get("settings", {}).get("drain_s", 20)
            container = pod["spec"]["containers"][0]
            assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(PRE_STOP_S)]
            assert pod["spec"]["terminationGracePeriodSeconds"] >= math.ceil(drain_s) + PRE_STOP_S + 15


def test_probes_ask_grpc_where_they_can(tmp_path):
    """Kubernetes speaks no TLS to gRPC's health service."""
    for case, how in ((LEAST, "grpc"), (TLS, "tcpSocket")):
        for (kind, _), pod in pods(rendered(case, tmp_path)).items():
            container = pod["spec"]["containers"][0]
            if kind in {"Deployment", "StatefulSet"}:
                port = container["ports"][0]["containerPort"]
                assert [container[f"{probe}Probe"][how] for probe in ("startup", "readiness", "liveness")] == [
                    {"port": port}
                ] * 3


def test_passwords_come_from_secrets_alone(tmp_path):
    """Each variable names its secret and key, and no text holds one."""
    for pod in pods(rendered(FULL, tmp_path)).values():
        env = {one["name"]: one for one in pod["spec"]["containers"][0]["env"]}
        for variable, key in (("STORE", "secret"), ("REGISTRY", "password"), ("SENTINEL", "password")):
            found = env[f"HOTROW_{variable}_PASSWORD"]["valueFrom"]["secretKeyRef"]
            assert found == {"name": "redis", "key": key}


def test_there_is_one_ingest_worker_and_a_log_that_stays(tmp_path):
    """It never runs twice; a job that starts one for itself has no log to take rows to."""
    manifests = rendered({**LEAST, "materialize": {"enabled": True}}, tmp_path)
    ingest = manifests["StatefulSet", "prod-hotrow-ingest"]["spec"]
    assert ingest["replicas"] == 1
    assert ingest["volumeClaimTemplates"][0]["metadata"]["name"] == "log"
    for (kind, _), pod in pods(manifests).items():
        if kind in {"Job", "CronJob"}:
            container = pod["spec"]["containers"][0]
            (log,) = (one["value"] for one in container["env"] if one["name"] == "HOTROW_OFFLINE_STORE_PATH")
            assert not any(log.startswith(mount["mountPath"]) for mount in container["volumeMounts"])


def test_the_apply_job_needs_nothing_of_the_release(tmp_path):
    """A hook before the install: what it mounts is a hook before it, and its account is there in every namespace."""
    manifests = rendered(LEAST, tmp_path)
    job, config = manifests["Job", "prod-hotrow-apply"], manifests["ConfigMap", "prod-hotrow-apply"]
    for one in (job, config):
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(config["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    spec = job["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "default"
    assert [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume] == ["prod-hotrow-apply"]


def changed(**more):
    return {**LEAST, **more}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({key: value for key, value in LEAST.items() if key != "onlineStore"}, "url"),
        (changed(project=""), "project"),
        (changed(project="Rides"), "project"),
        (changed(registry="/var/lib/registry"), "registry"),
        (changed(onlineStore={"type": "lmdb", "url": "redis://r:6379/0"}), "type"),
        (changed(onlineStore={"url": "redis://r:6379/0", "path": "x"}), "path"),
        (changed(onlineStore={"url": ""}), "url"),
        (changed(server={"replcias": 3}), "replcias"),
        (changed(server={"settings": {"workers": 0}}), "workers"),
        (changed(server={"settings": {"address": "0.0.0.0:1"}}), "address"),
        (changed(ingest={"replicas": 2}), "replicas"),
        (changed(ingest={"log": {"size": "much"}}), "size"),
        (changed(definitions={"hotrow.toml": ""}), "definitions"),
        (changed(insecure=False), "server.tls.existingSecret is not set.*insecure"),
        (changed(insecure=False, server={"tls": {"existingSecret": "a"}}), "ingest.tls.existingSecret is not set"),
        (changed(server={"tls": {"clientCa": True}}), "server.tls.clientCa needs server.tls.existingSecret"),
        (
            changed(ingest={"tls": {"existingSecret": "a", "clientCa": True}}),
            "ingest.tls.clientCa needs ingest.callerTls",
        ),
        (changed(server={"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 2}}), "minReplicas"),
    ],
)
def test_wrong_values_are_refused(wrong, said, tmp_path):
    """Before anything is made, with the name of the value."""
    done = helm("template", "prod", ".", "--kube-version", "1.31", values=wrong, folder=tmp_path)
    assert done.returncode != 0
    assert re.search(said, done.stderr), done.stderr


def test_the_schema_knows_the_settings_that_there_are():
    """A key of hotrow.toml that comes or goes does so here too, but for those that the chart writes itself."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]
    tables = {
        "onlineStore": (schema["onlineStore"], OnlineStoreSettings, {"path", "size_gib", "password_file"}),
        "offlineStore": (schema["offlineStore"], OfflineStoreSettings, {"path"}),
        "log": (schema["log"], LogSettings, {"json"}),
        "server": (schema["server"]["properties"]["settings"], ServerSettings, {"address", "tls", "caller_tls"}),
        "ingest": (schema["ingest"]["properties"]["settings"], IngestSettings, {"address", "tls", "caller_tls"}),
    }
    for name, (known, section, written) in tables.items():
        fields = {field.name: field for field in msgspec.structs.fields(section) if field.name not in written}
        assert set(known["properties"]) == set(fields), name
        for key, rule in known["properties"].items():
            if "enum" in rule:  # every choice that there is, but for the store that pods cannot share
                assert {*rule["enum"], *({"lmdb"} if key == "type" else ())} == set(get_args(fields[key].type)), key


def test_the_schema_knows_every_value():
    """Values that are there by default, and no others."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    def compare(known, given, path):
        if not known.get("properties") or not given:
            return
        assert set(known["properties"]) - {"global"} >= set(given), path
        if path != "onlineStore":
            assert set(known["properties"]) - {"global"} == set(given), path
        for key, value in given.items():
            if isinstance(value, dict):
                compare(known["properties"][key], value, key)

    compare(schema, values, "values")


def test_the_chart_is_of_this_version():
    """The image that it takes by default is the one that this repository builds."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert (chart["version"], chart["appVersion"]) == (version, version)


def notes(values, folder):
    """What `helm install` prints at its end; without a cluster it does so for a manifest alone."""
    chart = shutil.copytree(CHART, folder / f"chart-{len(list(folder.iterdir()))}")
    lines = (chart / "templates" / "NOTES.txt").read_text(encoding="utf-8").splitlines()
    (chart / "templates" / "notes.yaml").write_text("notes: |\n" + "".join(f"  {line}\n" for line in lines))
    only = ("--kube-version", "1.31", "--show-only", "templates/notes.yaml")
    done = helm("template", "prod", str(chart), *only, values=values, folder=folder)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["notes"]


def test_the_notes_warn_of_what_is_risky(tmp_path):
    """No TLS, and a log that goes with its pod."""
    said = notes(BARE, tmp_path)
    assert "without TLS anybody" in said
    assert "No NetworkPolicy" in said
    assert "is lost with" in said
    assert "hotrow apply" in said
    assert "WARNING" not in notes(TLS, tmp_path)

"""What the Helm chart starts works: each pod as a process of this machine, with its files, environment and words."""

import grpc
import pytest
from hotrow.v1.feature_ingest_pb2_grpc import FeatureIngestStub
from hotrow.v1.feature_server_pb2_grpc import FeatureServerStub
from hotrow.v1.push_pb2 import BOTH
from support.helm import needs_helm, pods, rendered
from support.pki import make_pki
from support.ports import free_ports

from .processes import DEFINITIONS, Caller, Program, push_request

pytestmark = needs_helm


class Pod:
    """Its files below a folder that stands in the place of its root, which is where `Program` starts it."""

    def __init__(self, folder, manifests, workload, certificates):
        spec = pods(manifests)[workload]["spec"]
        (container,) = spec["containers"]
        self.words = container["args"]
        self.root = folder / workload[0]
        self.path = self.root / "repo"
        for mount in container["volumeMounts"]:
            place = self.root / mount["mountPath"].strip("/")
            place.mkdir(parents=True, exist_ok=True)
            volume = next((one for one in spec["volumes"] if one["name"] == mount["name"]), {})
            for name, text in manifests.get(("ConfigMap", volume.get("configMap", {}).get("name")), {"data": {}})[
                "data"
            ].items():
                (place / name).write_text(self._inside(text))
            for name, file in certificates.get(volume.get("secret", {}).get("secretName"), {}).items():
                (place / name).write_bytes(file.read_bytes())
        self.environ = {one["name"]: self._inside(one["value"]) for one in container["env"]}

    def _inside(self, text):
        return text.replace("/etc/hotrow", f"{self.root}/etc/hotrow").replace("/var/lib/", f"{self.root}/var/lib/")


class SecureCaller(Caller):
    """One that shows a certificate."""

    def __init__(self, address, pki):
        files = (pki.ca, pki.client_key, pki.client_cert)
        credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
        self.channel = grpc.secure_channel(address, credentials)
        self.server = FeatureServerStub(self.channel)
        self.ingest = FeatureIngestStub(self.channel)


@pytest.fixture
def pki(tmp_path):
    folder = tmp_path / "pki"
    folder.mkdir()
    return make_pki(folder)


@pytest.fixture
def start(tmp_path, redis_server, pki):
    """Starts pods by kind, with mutual TLS on both listeners."""
    tls = {"existingSecret": "listener", "clientCa": True}
    values = {
        "project": "rides",
        "registry": redis_server.url.replace("/0", "/3"),
        "onlineStore": {"url": redis_server.url, "prefix": f"{tmp_path.name}:"},
        "definitions": {"features.py": DEFINITIONS},
        "server": {"tls": tls, "settings": {"workers": 1, "drain_s": 5}},
        "ingest": {"tls": tls | {"serverName": "localhost"}, "callerTls": {"existingSecret": "caller"}},
    }
    manifests = rendered(values, tmp_path)
    certificates = {
        "listener": {"tls.crt": pki.server_cert, "tls.key": pki.server_key, "ca.crt": pki.ca},
        "caller": {"tls.crt": pki.client_cert, "tls.key": pki.client_key},
    }
    programs = []

    def start_(kind, name, **environ):
        pod = Pod(tmp_path, manifests, (kind, f"prod-hotrow-{name}"), certificates)
        programs.append(Program(pod, *pod.words, **(pod.environ | environ)))
        return programs[-1]

    yield start_
    for program in reversed(programs):
        program.process.kill()
        program.process.wait()


def ready(program):
    line = program._lines.get(timeout=100)
    assert line.startswith("hotrow is ready: "), program.log()[-2000:]


def test_a_release_serves(start, pki):
    """The job applies, both workers start, a push to the server reaches the store and the log, and is read."""
    server_port, ingest_port = free_ports(2)
    apply = start("Job", "apply")
    assert apply.wait(100) == 0, apply.log()
    ingest = start("StatefulSet", "ingest", HOTROW_INGEST_ADDRESS=f"0.0.0.0:{ingest_port}")
    ready(ingest)
    addresses = {"HOTROW_SERVER_ADDRESS": f"0.0.0.0:{server_port}", "HOTROW_INGEST_ADDRESS": f"localhost:{ingest_port}"}
    server = start("Deployment", "server", **addresses)
    ready(server)
    with SecureCaller(f"localhost:{server_port}", pki) as caller:
        request = push_request({7: 1.5})
        request.to = BOTH
        token = caller.server.PushFeatures(request, timeout=30, wait_for_ready=True).token
        assert caller.read(7, min_token=token) == [1.5]
    for program in (server, ingest):
        assert program.stop() == 0
    assert list(ingest.repository.root.glob("var/lib/hotrow/log/*/*/*.parquet"))
    assert not list(server.repository.root.glob("var/lib/hotrow/log/*"))

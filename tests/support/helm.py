"""The Helm chart, rendered by the helm that `make helm` builds, or by the one on the path."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "hotrow"
KUBERNETES = "1.31"
_BUILT = ROOT / ".go-tools" / "helm"
HELM = str(_BUILT) if _BUILT.exists() else shutil.which("helm")

needs_helm = pytest.mark.skipif(HELM is None, reason="helm is missing: `make helm` builds it, which takes Go")

Manifests = dict[tuple[str, str], dict[str, Any]]
"""By kind and name."""


def helm(*arguments: str, values: dict[str, Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of helm in the chart's folder."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    command = [str(HELM), *arguments, "--values", str(file)]
    return subprocess.run(command, cwd=CHART, capture_output=True, text=True, check=False)


def rendered(values: dict[str, Any], folder: Path, kubernetes: str = KUBERNETES) -> Manifests:
    """The manifests of a release `prod`."""
    done = helm("template", "prod", ".", "--kube-version", kubernetes, values=values, folder=folder)
    assert done.returncode == 0, done.stderr
    found = [document for document in yaml.safe_load_all(done.stdout) if document]
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(by_name) == len(found)
    return by_name


def pods(manifests: Manifests) -> Manifests:
    """The pod of each workload, by the workload's kind and name."""
    found = {}
    for (kind, name), one in manifests.items():
        if kind in {"Deployment", "StatefulSet", "Job"}:
            found[kind, name] = one["spec"]["template"]
        elif kind == "CronJob":
            found[kind, name] = one["spec"]["jobTemplate"]["spec"]["template"]
    return found

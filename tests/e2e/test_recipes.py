"""The recipes that CI can't run agree with the image, the health check and the variables of mockmoov."""

import json
import re
from typing import Any

import yaml

from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.testing.environment import VARIABLES
from tests.e2e.test_dockerfile import ROOT, steps

HEALTH = "/_mockmoov/health"
PAGE = (ROOT / "docs" / "recipes.md").read_text()
DOCKERFILE = {step.name: step.text for step in steps((ROOT / "Dockerfile").read_text())}


def yaml_after(heading: str) -> Any:
    """The YAML block in the section of the page with this heading."""
    found = re.search(rf"\n## {heading}\n.*?```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return yaml.safe_load(found[1])


def test_ports_and_paths_are_those_of_the_image() -> None:
    port, *_ = map(int, DOCKERFILE["EXPOSE"].split())
    [sidecar] = yaml_after("Kubernetes")["spec"]["initContainers"]
    probe = {"httpGet": {"path": HEALTH, "port": port}}
    assert sidecar["ports"] == [{"containerPort": port}]
    assert (sidecar["startupProbe"] | probe, sidecar["readinessProbe"]) == (sidecar["startupProbe"], probe)
    assert sidecar["args"] == json.loads(DOCKERFILE["CMD"])
    assert f'HttpWaitStrategy({port}, "{HEALTH}")' in PAGE
    assert f"http://mockmoov:{port}{HEALTH}" in PAGE
    assert f".with_exposed_ports({port})" in PAGE
    assert f".get_exposed_port({port})" in PAGE


def test_programs_get_variables_of_mockmoov() -> None:
    port, *_ = DOCKERFILE["EXPOSE"].split()
    service_job = yaml_after("GitLab CI")["test with a service"]
    [service], variables = service_job["services"], service_job["variables"]
    [tests] = yaml_after("Kubernetes")["spec"]["containers"]
    of_tests = {each["name"]: each["value"] for each in tests["env"]}
    for host, found in ((service["alias"], variables), ("localhost", of_tests)):
        assert found.keys() <= VARIABLES.keys()
        assert found == {
            "MOOV_BASE_URL": f"http://{host}:{port}",
            "MOOV_CLIENT_ID": EXAMPLE["client_id"],
            "MOOV_CLIENT_SECRET": EXAMPLE["client_secret"],
        }

"""The recipes that CI can't run agree with the image, the health check and the variables of mockmoov."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import yaml

from mockmoov.control_plane.exchanges import LONGEST_WAIT
from mockmoov.oauth.api_keys import EXAMPLE
from mockmoov.testing.environment import VARIABLES
from tests.e2e.test_dockerfile import ROOT, steps

HEALTH = "/_mockmoov/health"
PAGE = (ROOT / "docs" / "recipes.md").read_text()
MANY_SERVERS = (ROOT / "docs" / "many-servers.md").read_text()
DOCKERFILE = {step.name: step.text for step in steps((ROOT / "Dockerfile").read_text())}


def block_after(heading: str, language: str, page: str) -> str:
    """The first block of a language in the section of the page with this heading."""
    found = re.search(rf"\n## {heading}\n(?:(?!\n## ).)*?```{language}\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


def yaml_after(heading: str) -> Any:
    """The YAML block in the section of the page on recipes with this heading."""
    return yaml.safe_load(block_after(heading, "yaml", PAGE))


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


def test_compose_file_with_many_servers_fits_together() -> None:
    port, *_ = DOCKERFILE["EXPOSE"].split()
    services = yaml.safe_load(block_after("Docker compose", "yaml", MANY_SERVERS))["services"]
    configuration = block_after("Docker compose", "text", MANY_SERVERS)
    servers = {name: service for name, service in services.items() if name.startswith("mockmoov")}
    assert re.findall(r"server \w+ (\S+) check", configuration) == [f"{name}:{port}" for name in servers]
    assert f"httpchk GET {HEALTH}\n" in configuration
    for service in servers.values():
        store = urlsplit(service["environment"]["MOCKMOOV_STORE"])
        assert list(service["depends_on"]) == [store.hostname] == ["redis"]
    assert list(services["proxy"]["depends_on"]) == list(servers)
    [published] = services["proxy"]["ports"]
    assert f"bind :{published.rpartition(':')[2]}\n" in configuration
    seconds = [int(text) for text in re.findall(r"timeout (?:client|server) (\d+)s", configuration)]
    assert len(seconds) == 2
    assert min(seconds) > LONGEST_WAIT


def test_deployment_fits_the_image() -> None:
    port, *_ = map(int, DOCKERFILE["EXPOSE"].split())
    secret, deployment, service = yaml.safe_load_all(block_after("Kubernetes", "yaml", MANY_SERVERS))
    pod = deployment["spec"]["template"]
    [container] = pod["spec"]["containers"]
    probe = {"httpGet": {"path": HEALTH, "port": port}}
    assert container["args"] == json.loads(DOCKERFILE["CMD"])
    assert container["ports"] == [{"containerPort": port}]
    assert (container["readinessProbe"], container["livenessProbe"]) == (probe, probe)
    assert container["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    labels = pod["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    assert service["spec"]["ports"] == [{"port": port}]

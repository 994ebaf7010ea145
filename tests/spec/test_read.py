"""The spec language, read into values."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import InvalidInput
from provisioner.model.spec import (
    Bind,
    FleetSpec,
    FromImage,
    FromTemplate,
    Hardening,
    HealthCheck,
    ImageBase,
    ManagedFile,
    Resources,
    RolloutPolicy,
    Route,
    SecretUse,
    Service,
    SuiteBase,
    Tmpfs,
    Volume,
)
from provisioner.spec.read import read_fleet
from provisioner.spec.source import SourceText

CASES = Path(__file__).parents[1] / "cases" / "spec"
EIGHT_LINES = (CASES / "valid-eight-lines" / "fleet.yaml").read_text()
EVERYTHING = (CASES / "valid-every-key" / "fleet.yaml").read_text()


def _spec(text: str, **environment: str) -> FleetSpec:
    return read_fleet(SourceText("fleets/shop.yaml", text, "/srv/fleets"), environment).spec


def test_the_eight_line_spec_reads() -> None:
    """Name, one service with image, hosts and port, and a balancer with hosts are a whole fleet."""
    spec = _spec(EIGHT_LINES)
    web = Service("web", "web", FromImage("nginx:1.27"), port=80, hardening=Hardening.COMPATIBLE)
    assert dict(spec.services) == {"web": web}
    assert spec.load_balancer is not None
    assert spec.load_balancer.source == FromTemplate("haproxy")
    assert spec.load_balancer.bind == (Bind(80),)
    assert spec.load_balancer.routes == (Route("web", "/"),)
    assert (spec.name, spec.folder, spec.rollout) == ("hello", "/srv/fleets", RolloutPolicy())


def test_every_key_of_a_service_reads() -> None:
    """Each key that is carried out reaches the value of the model, units resolved."""
    assert _spec(EVERYTHING).services["web"] == Service(
        name="web",
        hosts="web:&prod:!web3",
        source=FromTemplate("python-web", "/srv/fleets/app", "python", {"WORKERS": "4", "FLAG": "no"}),
        replicas=2,
        volatile=("/var/cache/app",),
        port=8000,
        host_port=18000,
        command=("serve", "--name", "my shop"),
        entrypoint=("/bin/run",),
        environment={
            "LOG_LEVEL": "info", "MODE": "0644", "VERSION": "1.10", "EMPTY": "", "ON": "on", "TEXT": "a\nb",
        },
        files=(
            ManagedFile("/etc/app/app.toml", "/srv/fleets/app.toml.j2", 0o640),
            ManagedFile("/etc/b", "/srv/b.j2"),
        ),
        volumes=(
            Volume("uploads", "/srv/uploads"),
            Volume("/var/log", "/logs", read_only=True),
            Volume("data", "/data", read_only=True),
        ),
        secrets=(SecretUse("token"), SecretUse("key", "APP_KEY"), SecretUse("key")),
        tmpfs=(Tmpfs("/tmp", "size=16m,mode=1777"), Tmpfs("/run")),
        user="1000:1000",
        platform="linux/amd64",
        healthcheck=HealthCheck("/healthz", (), 0.5, 1.0, 5, 90.0),
        resources=Resources(0.5, 256 * 1024**2, 200),
        hardening=Hardening.COMPATIBLE,
        restart="always",
        stop_signal="SIGQUIT",
        stop_grace_period=120.0,
        release_command=("migrate", "--up"),
    )  # fmt: skip


def test_the_rest_of_a_fleet_reads() -> None:
    """Bases, balancer, rollout and compose's short forms reach the model too."""
    spec = _spec(EVERYTHING)
    assert dict(spec.bases) == {"python": SuiteBase("bookworm", ("python3",)), "slim": ImageBase("python:3.12-slim")}
    assert spec.services["jobs"].environment == {"A": "1=2", "B": ""}
    assert spec.services["jobs"].healthcheck.test == ("CMD-SHELL", "curl -f localhost")
    assert spec.services["jobs"].hardening is Hardening.COMPATIBLE
    assert spec.rollout == RolloutPolicy(
        parallelism="25%",
        canary=0,
        canary_soak=0.0,
        min_healthy_time=1.0,
        healthy_deadline=60.0,
        progress_deadline=3600.0,
        drain_timeout=0.0,
        monitor=60.0,
        max_failures="10%",
        on_failure="pause",
        on_unreachable="rollback",
        retain=9,
    )
    assert spec.services["web"].release_command == ("migrate", "--up")
    balancer = spec.load_balancer
    assert balancer is not None
    assert balancer.bind == (Bind(80), Bind(8443, "10.0.0.1"))
    assert balancer.routes == (Route("web", "/shop", "shop.example.com"),)
    assert balancer.source == FromTemplate("/srv/fleets/lb/haproxy", args={"A": "B"})
    assert (balancer.network, balancer.resources) == ("host", Resources(2.0, 2**30, 1000))


def test_a_built_service_is_hardened_unless_told_otherwise() -> None:
    """The preset is `default` for images of ours and `compatible` for those of others."""
    text = "name: a\nservices: {web: {build: {template: static-web}, hosts: web}, x: {image: x, hosts: web}}\n"
    services = _spec(text).services
    assert (services["web"].hardening, services["x"].hardening) == (Hardening.DEFAULT, Hardening.COMPATIBLE)


def test_a_variable_means_what_it_would_mean_if_written_out() -> None:
    """A number from the environment is a number where it stands without quotes, and a text in a text."""
    text = EIGHT_LINES.replace("80", "${PORT:-80}").replace("1.27", "${TAG}") + "rollout: {parallelism: '${N}'}\n"
    spec = _spec(text, PORT="8080", TAG="1.10", N="3")
    web = spec.services["web"]
    assert (web.port, web.source, spec.rollout.parallelism) == (8080, FromImage("nginx:1.10"), 3)


def test_a_variable_cannot_add_structure() -> None:
    """A value with YAML in it stays one value."""
    text = EIGHT_LINES.replace("port: 80", 'environment: {A: "${A}", B: "x${A}"}\n    port: 80')
    value = "x\n    user: root # {}"
    assert _spec(text, A=value).services["web"].environment == {"A": value, "B": f"x{value}"}


def test_keys_are_never_interpolated() -> None:
    """A variable in a key is the text of the key, which here no variable can be named."""
    text = EIGHT_LINES.replace("port: 80", "environment: {'${A}': 1}")
    with pytest.raises(InvalidInput, match="the name of a variable"):
        _spec(text, A="KEY")


def test_an_unused_extension_needs_no_variables() -> None:
    """Variables in the user's own `x-` blocks count only where an alias brings them in."""
    assert _spec(EIGHT_LINES + "x-later: ${UNSET}\n").name == "hello"
    shared = "x-later: &later {A: '${UNSET}'}\n" + EIGHT_LINES.replace("port: 80", "environment: *later")
    with pytest.raises(InvalidInput) as caught:
        _spec(shared)
    assert caught.value.diagnostics[0].line == 1


def test_several_services_need_their_routes() -> None:
    """With routes for each service with a port, a worker beside them needs none."""
    text = """\
name: shop
services:
  web: {image: web, hosts: web, port: 80}
  api: {image: api, hosts: web, port: 8000}
  jobs: {image: jobs, hosts: web}
load_balancer: {hosts: lb, routes: [{to: web}, {to: api, path: /api}]}
"""
    balancer = _spec(text).load_balancer
    assert balancer is not None
    assert balancer.routes == (Route("web"), Route("api", "/api"))


def test_positions_tell_where_a_value_stands() -> None:
    """A later fault can be placed at any key or value, or at the nearest one above."""
    positions = read_fleet(SourceText("fleet.yaml", EIGHT_LINES), {}).positions
    fault = positions.at_value(("services", "web", "hosts"), "no such group")
    assert (fault.line, fault.column, fault.source_line) == (5, 12, "    hosts: web")
    above = positions.at_key(("services", "web", "build", "template"), "no such template")
    assert (above.line, above.column) == (3, 3)


@pytest.mark.parametrize("hostile", ["a" * 4000 + "!", "a." * 2000 + "!", "a-" * 2000 + "!", "1" * 4000, "/" * 4000])
@pytest.mark.timeout(5)
def test_hostile_texts_are_judged_quickly(hostile: str) -> None:
    """No text makes a field's form costly to check."""
    text = f"""\
name: a
services:
  web: {{image: "{hostile}", hosts: web, port: 80, user: "{hostile}", platform: "{hostile}",
         stop_grace_period: "{hostile}", resources: {{memory: "{hostile}"}}, tmpfs: "/a:{hostile}"}}
load_balancer: {{hosts: lb, routes: [{{to: web, host: "{hostile}", path: "{hostile}"}}]}}
"""
    with pytest.raises(InvalidInput):
        _spec(text)

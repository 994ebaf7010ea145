"""The spec language: every key that is carried out, and by name every key that is not yet."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DictSchema, WithDefaultSchema

from provisioner.spec import fields as kind
from provisioner.spec import forms
from provisioner.spec.fields import Day, DriftKind, Line  # a mapping that has a key `kind` hides the module

EXTENSION = "x-"
"""Keys that begin so are the user's own and pass everywhere."""

_WORDS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "number", "boolean"]}}]}
_TEXTS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_VALUE_SCHEMA = {"type": ["string", "number", "boolean"]}
_PAIRS_SCHEMA = {
    "anyOf": [
        {"type": "object", "additionalProperties": _VALUE_SCHEMA},
        {"type": "array", "items": {"type": "string", "pattern": "="}},
    ]
}

Words = Annotated[list[kind.Argument], BeforeValidator(forms.words), WithJsonSchema(_WORDS_SCHEMA)]
HealthTest = Annotated[list[kind.Argument], BeforeValidator(forms.health_test), WithJsonSchema(_WORDS_SCHEMA)]
Program = Annotated[list[kind.Argument], BeforeValidator(forms.program), WithJsonSchema(_WORDS_SCHEMA)]
Environment = Annotated[
    dict[kind.EnvironmentKey, kind.Value], BeforeValidator(forms.pairs), WithJsonSchema(_PAIRS_SCHEMA)
]
Arguments = Annotated[dict[kind.ArgumentKey, kind.Value], BeforeValidator(forms.pairs), WithJsonSchema(_PAIRS_SCHEMA)]
Source = Annotated[str, BeforeValidator(forms.volume_source), WithJsonSchema({"type": "string"})]
Flag = Annotated[bool, BeforeValidator(forms.boolean), WithJsonSchema({"type": ["boolean", "string"]})]
TmpfsLine = Annotated[tuple[str, str], BeforeValidator(forms.tmpfs)]
TmpfsLines = Annotated[list[TmpfsLine], BeforeValidator(forms.one_or_more), WithJsonSchema(_TEXTS_SCHEMA)]


def key(description: str) -> Any:
    """Return an optional key. Absent is not null: the model's own default counts, so none is named here."""
    return Field(default=None, description=description)


def required(description: str) -> Any:
    """Return a key that has to be there."""
    return Field(description=description)


class Strict(BaseModel):
    """A mapping of ours: no unknown key, but the user's own `x-` keys pass."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"patternProperties": {f"^{EXTENSION}": {}}})
    later: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not name.startswith(EXTENSION)}


class BaseText(Strict):
    """What images of ours start from: a root made from a Debian archive, or an image."""

    suite: kind.Suite = key("Debian suite to bootstrap a root of, such as bookworm; no registry is needed.")
    packages: list[kind.Package] = key("Debian packages installed on top of the suite's root.")
    image: kind.ImageReference = key("Image to start from, found on the local engine or in a registry.")


class BuildText(Strict):
    """An image built from a Dockerfile template."""

    template: kind.Line = required("Name of a template that comes with us, or path of your own (relative to the spec).")
    context: kind.Line = key("Folder with what the image holds, relative to the spec.")
    base: kind.Line = key("Name of an entry of 'bases' that the image starts from.")
    args: Arguments = key("Values the template may read, by name.")


class FileText(Strict):
    """A file of the container."""

    later: ClassVar[tuple[str, ...]] = ("per_host",)

    template: kind.Line = required("Path of the template that gives the content, relative to the spec.")
    mode: kind.Mode = key("Mode of the file in octal, 0644 where absent.")


class HealthText(Strict):
    """How a node is judged healthy."""

    path: kind.RequestPath = key("Path the balancer requests; any status from 200 to 399 passes.")
    test: HealthTest = key("Command the engine runs inside: [CMD, program, …], [CMD-SHELL, text], or a text.")
    interval: kind.PositiveDuration = key("Time between two checks, 2s where absent.")
    timeout: kind.PositiveDuration = key("Time a check may take, 2s where absent.")
    retries: kind.Retries = key("Failures in a row after which a node is unhealthy, 3 where absent.")
    start_period: kind.Duration = key("Time after the start in which failures do not count, none where absent.")


class ResourcesText(Strict):
    """Limits of one container."""

    cpus: kind.Processors = key("Processors, such as 0.5.")
    memory: kind.Memory = key("Memory, such as 256m.")
    pids: kind.Pids = key("Number of processes.")


class VolumeText(Strict):
    """A volume or a path of the host, mounted into the container."""

    source: Source = required("Name of a volume, or absolute path on the host.")
    target: kind.AbsolutePath = required("Absolute path inside the container.")
    read_only: Flag = key("Whether the container cannot write to it; false where absent.")


Volumes = list[
    Annotated[
        VolumeText,
        BeforeValidator(forms.volume, json_schema_input_type=VolumeText | Annotated[str, Field(pattern=":/|\\$\\{")]),
    ]
]


class SecretUseText(Strict):
    """A secret of the spec that a service is given."""

    source: kind.SecretReference = required("Name of an entry of 'secrets'.")
    environment: kind.VariableName = key("Variable it is given in; where absent it is a file, /run/secrets/NAME.")


SecretUses = list[
    Annotated[SecretUseText, BeforeValidator(forms.secret_use, json_schema_input_type=SecretUseText | str)]
]


class ServiceText(Strict):
    """One kind of container."""

    later: ClassVar[tuple[str, ...]] = (
        "env_file", "logging", "ulimits", "depends_on", "schedule", "hooks",
    )  # fmt: skip

    hosts: kind.Line = required("Hosts it runs on, as an inventory pattern: web:&prod:!web3.")
    image: kind.ImageReference = key("Image to run; give this or 'build'.")
    build: BuildText = key("How its image is built; give this or 'image'.")
    replicas: kind.Replicas = key("Containers per host, 1 where absent.")
    port: kind.Port = key("Port it listens on inside; a service without one is a worker.")
    host_port: kind.Port = key("First port published on the host; where absent the port, or port + 10000 below 1024.")
    command: Words = key("Command and arguments; the image's own where absent.")
    entrypoint: Words = key("Program the command is handed to; the image's own where absent.")
    environment: Environment = key("Environment variables, as a mapping or a list of KEY=VALUE.")
    secrets: SecretUses = key(
        "Secrets it is given, as NAME (a file below /run/secrets) or with source and environment."
    )
    files: dict[kind.FilePath, FileText] = key("Files of the container by absolute path, equal on all peers.")
    volumes: Volumes = key("Volumes, as NAME:/path[:ro] or with source, target and read_only.")
    tmpfs: TmpfsLines = key("File systems in memory, as /path[:options].")
    volatile: list[kind.AbsolutePath] = key("Paths that its program writes itself, so that nobody compares them.")
    user: kind.User = key("User, or user:group, the container runs as.")
    platform: kind.Platform = key("Platform of its image; what the hosts have in common where absent.")
    healthcheck: HealthText = key("How a node is judged healthy; a TCP connect where absent.")
    resources: ResourcesText = key("Limits of one container; none where absent.")
    hardening: kind.HardeningName = key("Preset of restrictions; 'default' with build, 'compatible' with image.")
    restart: kind.Restart = key("When the engine restarts it, unless-stopped where absent.")
    stop_signal: kind.StopSignal = key("Signal that asks it to stop; the image's own where absent.")
    stop_grace_period: kind.Duration = key("Time it has to stop before it is killed, 10s where absent.")
    release_command: Words = key("Command run once in the new image before the first node changes; none where absent.")


class BindText(Strict):
    """A port the balancer answers on."""

    later: ClassVar[tuple[str, ...]] = ("tls",)

    port: kind.Port = required("Port on the balancer's host.")
    address: kind.Address = key("Address to answer on; all addresses of its host where absent.")


class RouteText(Strict):
    """Which requests go to which service."""

    to: kind.Line = required("Service the requests go to.")
    path: kind.RequestPath = key("Beginning of the request's path, / where absent.")
    host: kind.HostName = key("Host name of the request; any where absent.")


class LoadBalancerText(Strict):
    """The load balancer in front of the services."""

    later: ClassVar[tuple[str, ...]] = ("image", "maintenance")

    engine: kind.Engine = key("Kind of balancer, haproxy where absent.")
    hosts: kind.Line = required("Hosts it runs on, as an inventory pattern.")
    bind: list[BindText] = key("Ports it answers on, 80 where absent.")
    algorithm: kind.Algorithm = key("How it chooses a node, roundrobin where absent.")
    routes: list[RouteText] = key("Requests and their services; all to the only one with a port where absent.")
    build: BuildText = key("How its image is built; the haproxy template where absent.")
    network: kind.BalancerNetwork = key("bridge, or host, where changing it interrupts nobody; bridge where absent.")
    resources: ResourcesText = key("Limits of its container, none where absent.")


class RolloutText(Strict):
    """How a change moves through the fleet."""

    order: kind.Order = key("Whether a node's new container starts before its old one stops: start-first where absent.")
    parallelism: kind.Parallelism = key("Nodes changed at once, as a number or a share such as 25%; 1 where absent.")
    canary: kind.NodesOrNone = key("Nodes that change first and are soaked, as a number or a share; 1 where absent.")
    canary_soak: kind.Duration = key("Time a canary is judged before others follow, 10s where absent.")
    min_healthy_time: kind.Duration = key("Time a node must stay healthy to count as such, 5s where absent.")
    healthy_deadline: kind.PositiveDuration = key("Time a node has to become healthy, 2m where absent.")
    progress_deadline: kind.PositiveDuration = key("Time from one node that succeeds to the next, 10m where absent.")
    drain_timeout: kind.Duration = key("Time a leaving node has to finish its requests, 30s where absent.")
    monitor: kind.Duration = key("Time a fresh node is judged by real requests at a tenth's share, 15s where absent.")
    max_failures: kind.NodesOrNone = key("Nodes that may fail and are taken back, a number or a share; 0 where absent.")
    on_failure: kind.OnFailure = key("What a failure leads to: rollback, pause or abort; rollback where absent.")
    on_unreachable: kind.OnUnreachable = key("What a lost host leads to: pause or rollback; pause where absent.")
    retain: kind.Retained = key("Releases that `prune` keeps, 5 where absent.")


class SecretText(Strict):
    """Where a value lies that stands in no file of the fleet: exactly one of the three."""

    env: kind.VariableName = key("Variable of the environment that holds it.")
    file: kind.Line = key("File that holds it, relative to the spec; one newline at its end does not count.")
    command: Words = key("Command that prints it; one newline at its end does not count.")


class PasswordText(Strict):
    """A value that is a secret."""

    secret: kind.SecretReference = required("Name of an entry of 'secrets'.")


class RegistryText(Strict):
    """Where images are pushed to and pulled from, by digest."""

    server: kind.RegistryServer = required("Host and port, with a path where repositories lie below one.")
    username: kind.UserName = key("User to log in as; nobody where absent.")
    password: PasswordText = key("Password to log in with, as {secret: NAME}.")


class HookText(Strict):
    """A command of your own that runs on this machine at one moment of a run, in the folder of the spec."""

    command: Program = required("Command and arguments; a path with a slash is relative to the spec.")
    timeout: kind.PositiveDuration = key("Time it may take before it is killed, 60s where absent.")
    environment: Environment = key("Variables it gets besides ours.")
    secrets: list[kind.SecretReference] = key("Secrets it gets, each in a variable of its name; none where absent.")


Hooks = dict[
    kind.HookKey,
    Annotated[
        HookText,
        BeforeValidator(forms.hook, json_schema_input_type=HookText | Annotated[Any, WithJsonSchema(_WORDS_SCHEMA)]),
    ],
]


class IgnoreText(Strict):
    """Differences between hosts or nodes that are known and left aside."""

    kind: DriftKind = required("Kind of difference, as `drift` names it.")
    hosts: Line = key("Hosts it is left aside on, as an inventory pattern; all where absent.")
    reason: Line = required("Why it is left aside; it is shown.")
    until: Day = key(
        "Last day it is left aside, as 2026-12-31; it counts again from the next on. For good where absent."
    )
    key: Line = key("Pattern of keys, such as htop* or /etc/cron.d/*; every key where absent.")


class DriftText(Strict):
    """What `drift` does not count."""

    ignore: list[IgnoreText] = required("Differences that are left aside, each with its reason.")


class FleetText(Strict):
    """A fleet: a load balancer and the services behind it."""

    later: ClassVar[tuple[str, ...]] = (
        "accessories", "baseline", "maintenance", "schedule",
    )  # fmt: skip

    name: kind.Name = required("Name of the fleet; it begins the name of every container.")
    bases: dict[kind.BaseName, BaseText] = key("What images of ours start from, by name.")
    services: dict[kind.ServiceName, ServiceText] = required("The services, by name.")
    load_balancer: LoadBalancerText = key("The load balancer in front of the services; none where absent.")
    secrets: dict[kind.SecretName, SecretText] = key("Values that stand in no file of the fleet, by name.")
    registry: RegistryText = key("Registry that images go through; none where absent: they travel over SSH.")
    distribution: kind.Distribution = key(
        "How images reach hosts: each from this machine (star), or from host to host (relay); star where absent."
    )
    hooks: Hooks = key("Commands that run here at moments of a run, by moment; none where absent.")
    rollout: RolloutText = key("How a change moves through the fleet; one node at a time where absent.")
    drift: DriftText = key("What `drift` does not count; nothing where absent. No release holds it.")


class _EditorSchema(GenerateJsonSchema):
    """Leaves out titles, and defaults: these belong to the model, and the descriptions name them."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - as the library calls it
        return False

    def dict_schema(self, schema: DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return found | {"additionalProperties": False} if "patternProperties" in found else found

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def json_schema() -> dict[str, Any]:
    """Return the spec language as a JSON Schema (draft 2020-12), with a description on every key."""
    schema = FleetText.model_json_schema(schema_generator=_EditorSchema, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "fleet.yaml"}

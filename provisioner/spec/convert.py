"""From the validated text of a spec to the model's values; what the text leaves out is the model's default."""

from __future__ import annotations

from typing import Any

from provisioner.model.hook import Hook
from provisioner.model.spec import (
    Base,
    Bind,
    FleetSpec,
    FromCommand,
    FromFile,
    FromImage,
    FromTemplate,
    FromVariable,
    Hardening,
    HealthCheck,
    IgnoredDrift,
    ImageBase,
    LoadBalancer,
    ManagedFile,
    Registry,
    Resources,
    RolloutPolicy,
    Route,
    SecretSource,
    SecretUse,
    Service,
    SuiteBase,
    Tmpfs,
    Volume,
)
from provisioner.spec.schema import (
    BaseText,
    BuildText,
    FleetText,
    HookText,
    LoadBalancerText,
    RegistryText,
    SecretText,
    ServiceText,
    Strict,
)
from provisioner.spec.source import SourceText

_BALANCER_TEMPLATE = "haproxy"


def fleet_spec(text: FleetText, source: SourceText) -> FleetSpec:
    """Return the fleet that a validated text declares; paths are resolved from the text's folder."""
    services = {name: _service(name, service, source) for name, service in text.services.items()}
    given = _given(text, "bases", "load_balancer", "rollout", "secrets", "registry", "hooks", "distribution")
    if "load_balancer" in given:
        given["load_balancer"] = _load_balancer(text.load_balancer, services, source)
    if "bases" in given:
        given["bases"] = {name: _base(base) for name, base in text.bases.items()}
    if "secrets" in given:
        given["secrets"] = {name: _secret(secret, source) for name, secret in text.secrets.items()}
    if "registry" in given:
        given["registry"] = _registry(text.registry)
    if "hooks" in given:
        given["hooks"] = {name: _hook(hook) for name, hook in text.hooks.items()}
    if "drift" in text.model_fields_set:
        given["ignored"] = tuple(IgnoredDrift(**_given(each)) for each in text.drift.ignore)
    if "rollout" in given:
        given["rollout"] = RolloutPolicy(**_given(text.rollout))
    return FleetSpec(name=text.name, services=services, folder=source.directory, **given)


def _given(text: Strict, *only: str) -> dict[str, Any]:
    """Return what was written, by key."""
    names = sorted(text.model_fields_set & set(only or text.model_fields_set))
    return {name: getattr(text, name) for name in names}


def _base(text: BaseText) -> Base:
    if "image" in text.model_fields_set:
        return ImageBase(text.image)
    return SuiteBase(text.suite, tuple(_given(text).get("packages", ())))


def _secret(text: SecretText, source: SourceText) -> SecretSource:
    if "env" in text.model_fields_set:
        return FromVariable(text.env)
    if "file" in text.model_fields_set:
        return FromFile(source.resolve(text.file))
    return FromCommand(tuple(text.command))


def _hook(text: HookText) -> Hook:
    given = _given(text)
    return Hook(**given | {key: tuple(given[key]) for key in ("command", "secrets") if key in given})


def _registry(text: RegistryText) -> Registry:
    given = _given(text)
    return Registry(**given | ({"password": text.password.secret} if "password" in given else {}))


def _build(text: BuildText, source: SourceText) -> FromTemplate:
    given = _given(text)
    if "context" in given:
        given["context"] = source.resolve(text.context)
    template = source.resolve(text.template) if "/" in text.template else text.template
    return FromTemplate(**given | {"template": template})


def _service(name: str, text: ServiceText, source: SourceText) -> Service:
    given = _given(text)
    built = "build" in given
    image = _build(given.pop("build"), source) if built else FromImage(given.pop("image"))
    preset = given.get("hardening", "default" if built else "compatible")
    given |= {key: tuple(given[key]) for key in ("command", "entrypoint", "release_command") if key in given}
    if "files" in given:
        given["files"] = tuple(_file(path, file, source) for path, file in text.files.items())
    if "secrets" in given:
        given["secrets"] = tuple(SecretUse(**_given(use)) for use in text.secrets)
    if "volumes" in given:
        given["volumes"] = tuple(Volume(**_given(volume)) for volume in text.volumes)
    if "tmpfs" in given:
        given["tmpfs"] = tuple(Tmpfs(target, options) for target, options in text.tmpfs)
    if "volatile" in given:
        given["volatile"] = tuple(given["volatile"])
    if "healthcheck" in given:
        given["healthcheck"] = _health(text.healthcheck)
    if "resources" in given:
        given["resources"] = Resources(**_given(text.resources))
    return Service(name=name, source=image, **given | {"hardening": Hardening(preset)})


def _health(text: Strict) -> HealthCheck:
    given = _given(text)
    return HealthCheck(**given | {"test": tuple(given.get("test", ()))})


def _file(path: str, text: Strict, source: SourceText) -> ManagedFile:
    given = _given(text)
    return ManagedFile(path=path, **given | {"template": source.resolve(given["template"])})


def _load_balancer(text: LoadBalancerText, services: dict[str, Service], source: SourceText) -> LoadBalancer:
    given = _given(text, "hosts", "algorithm", "network")
    if "bind" in text.model_fields_set:
        given["bind"] = tuple(Bind(**_given(bind)) for bind in text.bind)
    if "resources" in text.model_fields_set:
        given["resources"] = Resources(**_given(text.resources))
    build = _build(text.build, source) if "build" in text.model_fields_set else FromTemplate(_BALANCER_TEMPLATE)
    return LoadBalancer(source=build, routes=_routes(text, services), **given)


def _routes(text: LoadBalancerText, services: dict[str, Service]) -> tuple[Route, ...]:
    if "routes" in text.model_fields_set and text.routes:
        return tuple(Route(**_given(route)) for route in text.routes)
    return tuple(Route(service.name) for service in services.values() if service.port is not None)

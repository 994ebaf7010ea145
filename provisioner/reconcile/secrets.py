"""What nodes have of their secrets and what they should have, by digest alone; what is missing stops a run early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.errors import EngineRefused, HostError, SecretMissing
from provisioner.model.container import Mount
from provisioner.model.desired import Desired
from provisioner.model.deviation import Deviation
from provisioner.model.drift import Drift
from provisioner.model.file_state import FileState
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed, ObservedContainer, ObservedHost, Unreachable
from provisioner.model.placement import SLOTS, container_name
from provisioner.model.plan import MissingSecret, Plan, RunReleaseCommand, StartNode
from provisioner.model.secret import MASKED, SECRETS_FOLDER, UNREADABLE, DesiredSecret, Secret, secrets_volume
from provisioner.ports import HostReader
from provisioner.reconcile.at_once import at_once
from provisioner.reconcile.secret_delivery import MODE as SECRET_MODE
from provisioner.reconcile.secret_delivery import owner
from provisioner.reconcile.vault import Vault
from provisioner.reconcile.world import Lookout

NO_FILE = "no file"
"""Stands for the digest of a secret in whose place something else lies."""

Uses = Mapping[str, tuple[DesiredSecret, ...]]
"""What containers are, or were, given: by the name of the container."""


def informed(desired: Desired, vault: Vault, applied: Desired | None) -> Desired:
    """Return a fleet with the digests of its secrets, as far as anybody knows them.

    Where this machine has no value it is the digest that the last release recorded: what runs is then still compared
    with that, and nothing can be created with it. What came with a digest, as out of a release, keeps it.
    """
    if not any(node.secrets for node in desired.nodes):
        return desired
    recorded = {each.name: each.digest for node in (applied.nodes if applied else ()) for each in node.secrets}

    def filled(secret: DesiredSecret) -> DesiredSecret:
        if secret.digest:
            return secret
        if vault.missing(secret.name):
            return replace(secret, digest=recorded.get(secret.name, ""))
        return replace(secret, digest=vault.digest(desired.fleet, secret.name, vault.value(secret.name)))

    nodes = tuple(replace(node, secrets=tuple(filled(each) for each in node.secrets)) for node in desired.nodes)
    return replace(desired, nodes=nodes)


def missing(desired: Desired, vault: Vault) -> tuple[MissingSecret, ...]:
    """Return the secrets of a fleet that no container could be created with from this machine, each with the reason."""
    found: dict[str, MissingSecret] = {}
    for secret in (each for node in desired.nodes for each in node.secrets):
        try:
            vault.matching(desired.fleet, secret)
        except SecretMissing as error:
            found[secret.name] = MissingSecret(secret.name, error.reason)
    return tuple(found[name] for name in sorted(found))


def refuse_missing(plan: Plan, vault: Vault) -> None:
    """Raise SecretMissing where a plan creates a container with a secret whose value is not here, or is another."""
    for action in (action for step in plan.steps for action in step.actions):
        for secret in action.secrets if isinstance(action, StartNode | RunReleaseCommand) else ():
            vault.matching(plan.fleet, secret)


def not_compared(desired: Desired, vault: Vault, scope: frozenset[str] | None) -> Iterator[Drift]:
    """Yield, for every node, the secrets whose declared value nobody can compare here."""
    for node in desired.nodes:
        for secret in node.secrets if scope is None or node.node.host in scope else ():
            reason = vault.missing(secret.name)
            if reason is not None:
                told = f"unknown here: {reason.reason}"
                yield Drift(node.node.host, str(node.node), "secret", secret.key, told, MASKED, "unknown")


def with_secrets(
    lookout: Lookout, vault: Vault, observed: Observed, hosts: Mapping[str, Host], fleets: Iterable[Desired]
) -> Observed:
    """Return what was seen with digests in place of secrets: those in variables taken out, those in files read.

    `fleets` say what containers are given, the wish first. A host on which the secrets of a running node cannot be
    read is not observed.
    """
    wanted = tuple(fleets)
    glance = _Glance(lookout, vault, hosts, wanted[0].fleet if wanted else "", _uses(wanted))
    seen = at_once(glance.at, observed.hosts, lookout.forks)
    lost = tuple(host for host in seen if isinstance(host, Unreachable))
    return Observed(
        tuple(host for host in seen if isinstance(host, ObservedHost)),
        (*observed.unreachable, *lost),
    )


def _uses(fleets: tuple[Desired, ...]) -> Uses:
    found: dict[str, dict[str, DesiredSecret]] = {}
    # The wish comes last: of two secrets in one variable it is its own that is compared.
    for desired in reversed(fleets):
        for node in (each for each in desired.nodes if each.secrets):
            for slot in SLOTS:
                name = container_name(desired.fleet, node.node.service, node.node.index, slot)
                found.setdefault(name, {}).update({secret.key: secret for secret in node.secrets})
    return {name: tuple(secrets.values()) for name, secrets in found.items()}


@dataclass(frozen=True, slots=True)
class _Glance:
    """One look at what containers have of their secrets; values are digested at once and kept nowhere else."""

    lookout: Lookout
    vault: Vault
    hosts: Mapping[str, Host]
    fleet: str
    uses: Uses

    def at(self, host: ObservedHost) -> ObservedHost | Unreachable:
        """Return a host with the digests of what its containers have."""
        try:
            containers = tuple(self._container(host.name, each) for each in host.containers)
        except HostError as error:
            return Unreachable(host.name, error.reason, error.hint)
        return replace(host, containers=containers)

    def _container(self, host: str, container: ObservedContainer) -> ObservedContainer:
        own = own_mount(container)
        uses = self.uses.get(container.name, ())
        seen = replace(container, secrets_volume=own.source if own else "")
        if not uses:
            return seen
        files = [use for use in uses if not use.environment]
        variables = {use.environment: use for use in uses if use.environment}
        found, rights = self._files(host, seen, files) if own and own.target == SECRETS_FOLDER and files else ({}, ())
        for name, use in variables.items():
            if name in container.options.environment:
                found[use.key] = self._digest(use, Secret(container.options.environment[name]))
        plain = {name: text for name, text in container.options.environment.items() if name not in variables}
        delivered = own is not None and own.read_only and any(use.key in found for use in files)
        mounts = tuple(mount for mount in container.options.mounts if not (delivered and mount == own))
        options = replace(seen.options, environment=plain, mounts=mounts)
        return replace(seen, options=options, secrets=found, deviations=(*seen.deviations, *rights))

    def _files(
        self, host: str, container: ObservedContainer, uses: Iterable[DesiredSecret]
    ) -> tuple[dict[str, str], tuple[Deviation, ...]]:
        """Return the digests of the secrets that a container finds as files, and modes and owners that are wrong."""
        reader = self.lookout.readers.reader(self.hosts[host])
        read = {use.key: self._file(reader, container, use) for use in uses}
        rights = [_rights(key, container, state) for key, state in read.items() if isinstance(state, FileState)]
        digests = {use.key: self._told(use, read[use.key]) for use in uses}
        return {key: digest for key, digest in digests.items() if digest}, tuple(each for each in rights if each)

    def _told(self, use: DesiredSecret, state: FileState | str | None) -> str:
        if state is None or isinstance(state, str):
            return state or ""
        if state.content is None:
            return NO_FILE
        return self._digest(use, Secret(state.content.decode(errors="surrogateescape")))

    def _file(self, reader: HostReader, container: ObservedContainer, use: DesiredSecret) -> FileState | str | None:
        try:
            return reader.state(container.container_id, f"{SECRETS_FOLDER}/{use.name}")
        except EngineRefused as error:
            if not container.running:
                return UNREADABLE
            raise EngineRefused(
                error.host,
                f"the secrets of {container.name} cannot be read: {error.reason}",
                hint="remove that container by hand if this stays so, and apply again",
            ) from error

    def _digest(self, use: DesiredSecret, value: Secret) -> str:
        return self.vault.digest(self.fleet, use.name, value)


def _rights(key: str, container: ObservedContainer, state: FileState) -> Deviation | None:
    """Return the mode and owner of a secret's file, where they are not those that we gave it."""
    uid = owner(container.options.user or "", None)
    usual = FileState(None, SECRET_MODE, state.uid if uid is None else uid, 0)
    return None if state.rights == usual.rights else Deviation("secret", f"{key} mode", usual.rights, state.rights)


def own_mount(container: ObservedContainer) -> Mount | None:
    """Return the mount of the volume that is a container's own, None where it has none."""
    volume = secrets_volume(container.name)
    return next((each for each in container.options.mounts if (each.kind, each.source) == ("volume", volume)), None)

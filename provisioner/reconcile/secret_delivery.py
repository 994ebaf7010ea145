"""Brings a node its secrets before it starts: files into a volume of its own, the others into its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provisioner.errors import EngineRefused, HostError, PlanStale
from provisioner.model.container import EPOCH_LABEL, FLEET_LABEL, KIND_LABEL, ContainerOptions, ContainerRequest, Mount
from provisioner.model.plan import RunReleaseCommand, StartNode
from provisioner.model.secret import SECRETS_FOLDER, Secret, filler_name, secrets_volume
from provisioner.ports import FileContent
from provisioner.reconcile.creating import CONFLICT, create
from provisioner.reconcile.run import Run

MODE = 0o400
PASSWD = "/etc/passwd"  # noqa: S105 - the list of users of an image
FILLER = "filler"
"""The kind of container that is never started: a volume is filled through it."""


def with_secrets(request: ContainerRequest, action: StartNode | RunReleaseCommand, run: Run) -> ContainerRequest:
    """Fill the volume of a container that is to be created; return its request with mount and variables.

    Raise SecretMissing where a value is not here, or is not the one that the plan was made with.
    """
    values = {secret: run.vault.matching(run.fleet, secret) for secret in action.secrets}
    files = {secret.name: value for secret, value in values.items() if not secret.environment}
    variables = {secret.environment: value.reveal() for secret, value in values.items() if secret.environment}
    if files:
        _fill(action.host, request, files, run)
    own = (Mount("volume", secrets_volume(request.name), SECRETS_FOLDER, read_only=True),) if files else ()
    environment = {**request.options.environment, **variables}
    return replace(request, options=replace(request.options, environment=environment), own_mounts=own)


def _fill(host: str, request: ContainerRequest, files: Mapping[str, Secret], run: Run) -> None:
    """Fill a fresh volume through a container that is never started: the node itself cannot write to it."""
    hands = run.hands(host)
    filler = _filler(request, run)
    left = hands.reader.container(filler.name)
    if left is not None:
        hands.containers.remove(left.container_id)
    _clear(host, request.name, run)
    container_id = create(run, host, filler)
    try:
        made = hands.reader.container(container_id)
        user = made.options.user or "" if made else ""
        uid = owner(user, None if _numeric(user) else hands.shell.get(container_id, PASSWD))
        if uid is None:
            raise HostError(
                host,
                f"the image of {request.name} has no user '{user.partition(':')[0]}' in {PASSWD}",
                hint="give 'user' as a number: its secrets have to belong to it",
            )
        content = tuple(FileContent(name, _bytes(value), MODE, uid) for name, value in sorted(files.items()))
        hands.shell.put(container_id, SECRETS_FOLDER, content)
    finally:
        hands.containers.remove(container_id)


def _filler(request: ContainerRequest, run: Run) -> ContainerRequest:
    """Return the request of a container of the node's own image, which therefore knows the node's users."""
    options = ContainerOptions(
        command=("never-started",), entrypoint=(), user=request.options.user, network="none", restart="no"
    )
    return ContainerRequest(
        name=filler_name(request.name),
        image_id=request.image_id,
        options=options,
        hostname=request.hostname,
        labels={FLEET_LABEL: run.fleet, KIND_LABEL: FILLER, EPOCH_LABEL: str(run.guard.epoch)},
        own_mounts=(Mount("volume", secrets_volume(request.name), SECRETS_FOLDER),),
    )


def _clear(host: str, container: str, run: Run) -> None:
    """Remove what a run that died may have left half filled."""
    try:
        run.hands(host).containers.remove_volume(secrets_volume(container))
    except EngineRefused as error:
        if error.status != CONFLICT:
            raise
        raise PlanStale(
            f"{host}: a container that uses the secrets of {container} appeared after the plan was made",
            hint="run the command again: it starts from what is there now",
        ) from error


def _bytes(value: Secret) -> bytes:
    return value.reveal().encode(errors="surrogateescape")


def owner(user: str, passwd: bytes | None) -> int | None:
    """Return the uid of a container's user (`app`, `10001`, `app:web`, empty for root); None where nobody has it.

    `passwd` is the image's list of users, which only a name needs.
    """
    name = user.partition(":")[0]
    if _numeric(user):
        return int(name or 0)
    entries = (line.split(":") for line in (passwd or b"").decode(errors="replace").splitlines())
    found = (entry[2] for entry in entries if len(entry) > 2 and entry[0] == name and entry[2].isdecimal())  # noqa: PLR2004 - name, password, uid
    uid = next(found, None)
    return int(uid) if uid is not None else None


def _numeric(user: str) -> bool:
    name = user.partition(":")[0]
    return not name or (name.isascii() and name.isdecimal())

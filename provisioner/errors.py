"""The one error tree.

    ProvisionerError                 exit 1: failed and explained
    ├── UsageError                   exit 64: the command line contradicts itself or lacks something
    ├── InvalidInput                 exit 65: spec, inventory or template; carries every diagnostic at once
    ├── HostError                    something about one host
    │   ├── HostUnreachable          exit 4: no connection, no login, or no trust
    │   ├── EngineUnavailable        exit 4: connected, but no Docker Engine that answers us
    │   ├── EngineRefused            the engine answered with an error
    │   ├── AddressUnknown           the host has no interface with the address that inventory or spec give it
    │   ├── PortTaken                somebody else listens where the balancer should
    │   ├── ShippingFailed           an image did not arrive, or arrived as another one
    │   ├── NoRoom                   the host has less room on its disk than what is to be brought there takes
    │   ├── BalancerRefused          the load balancer did not accept a file or a command
    │   ├── CapacityLow              too few nodes would stay in rotation
    │   └── NodeUnhealthy            a node did not pass its gate; carries its last log lines
    ├── HookFailed                   a command of the user's own failed before anything moved; carries its last lines
    ├── BuildFailed                  an image could not be built; carries the instruction and its output
    ├── SecretMissing                a secret has no value here, or another; names the secret, never the value
    ├── ImageMissing                 nobody we may ask has the image
    ├── InputMissing                 what an image is made from cannot be had, or is not what was pinned
    ├── NotLocked                    a name that moves is not in the lock file, and `--locked` was given
    ├── ImageDiffers                 an image that was built again is another one; names layer and path
    ├── ArchiveBroken                an image archive is cut short, or holds other bytes than it names
    ├── StorageFailed                this machine's disk did not take or give a file
    ├── GivenUp                      an action was ended because the rollout it belongs to had failed elsewhere
    ├── RolloutStalled               no node succeeded within the rollout's progress deadline
    ├── ReleaseCommandFailed         a release command ended otherwise than well; carries its last lines
    ├── LastNode                     nobody of a service would be left to serve
    ├── PlanStale                    the fleet moved on after the plan was made
    ├── LeaseHeld                    exit 5: another controller changes the fleet; says who, since when, until when
    ├── LeaseLost                    exit 5: this run has the lease no longer, and stopped before its next effect
    ├── InterruptionRefused          a step would interrupt clients and nobody allowed it
    ├── Interrupted                  exit 130: a person stopped the command at once
    └── LabError                     the rehearsal fleet on this machine could not be made or removed

An error says what happened, where, why, and what to do. Its data are fields; nobody matches on its text.
"""

from __future__ import annotations

from dataclasses import dataclass


class ProvisionerError(Exception):
    """Root of every error we raise on purpose; `hint` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ProvisionerError):
    """The command line contradicts itself, or does not say enough."""

    exit_code = 64


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault in a file the user wrote: where it is, what is wrong, and what would be right.

    `line` and `column` count from 1; 0 means that the place is the file as a whole. `source_line` is the
    text of that line, for the caret.
    """

    path: str
    line: int
    column: int
    message: str
    suggestion: str = ""
    source_line: str = ""


class InvalidInput(ProvisionerError):
    """The spec, the inventory or a template is wrong; holds every diagnostic found, in file order."""

    exit_code = 65

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = diagnostics[0]
        super().__init__(f"{first.path}:{first.line}:{first.column}: {first.message}")
        self.diagnostics = diagnostics


class HostError(ProvisionerError):
    """Something went wrong on, or on the way to, one host."""

    def __init__(self, host: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{host}: {message}", hint=hint)
        self.host = host
        self.reason = message


class HostUnreachable(HostError):
    """No connection, no login, or a host key that is unknown or has changed."""

    exit_code = 4


class EngineUnavailable(HostError):
    """The host answers, but no Docker Engine answers us there."""

    exit_code = 4


class EngineRefused(HostError):
    """The Docker Engine answered a request with an error; `status` is its HTTP status, 0 where it had none."""

    def __init__(self, host: str, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(host, message, hint=hint)
        self.status = status


class AddressUnknown(HostError):
    """The host has no interface with the address that the inventory, or a `bind` of the spec, gives it."""


class PortTaken(HostError):
    """Somebody else listens on a port of the host that the balancer should answer on."""


class BuildFailed(ProvisionerError):
    """An image could not be built; `instruction` is the one that failed, `output` its last lines."""

    def __init__(self, image: str, *, instruction: str, output: tuple[str, ...], reason: str, hint: str = "") -> None:
        super().__init__(f"building {image}: {reason}", hint=hint)
        self.image = image
        self.instruction = instruction
        self.output = output
        self.reason = reason


class HookFailed(ProvisionerError):
    """A hook that has to agree failed, took too long, or could not be run; `output` holds its last lines."""

    def __init__(self, hook: str, reason: str, *, output: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(f"hook {hook}: {reason}", hint=hint)
        self.hook = hook
        self.reason = reason
        self.output = output


class SecretMissing(ProvisionerError):
    """A secret cannot be had on this machine, or has another value than is needed; `secret` is its name."""

    def __init__(self, secret: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"secret {secret}: {reason}", hint=hint)
        self.secret = secret
        self.reason = reason


class ImageMissing(ProvisionerError):
    """No lock, release, engine or registry that we may ask knows the image."""


class ImageDiffers(ProvisionerError):
    """An image was built again and came out otherwise; `differences` names layers and paths, where both are here."""

    def __init__(self, message: str, *, differences: tuple[str, ...] = (), hint: str = "") -> None:
        told = "; ".join(differences[:8])
        super().__init__(f"{message}: {told}" if told else message, hint=hint)
        self.differences = differences


class InputMissing(ProvisionerError):
    """A package, wheel or image that an image is made from cannot be had, or is not what was pinned."""


class NotLocked(ProvisionerError):
    """Names that move are not in the lock file, and `--locked` was given."""


class ShippingFailed(HostError):
    """An image did not arrive on a host, or what arrived has another id."""


class NoRoom(HostError):
    """A host's disk is too full for what is to be brought there; `needed` and `free` are bytes."""

    def __init__(self, host: str, *, needed: int, free: int) -> None:
        message = f"{needed / 1e6:.0f} MB are needed there and {free / 1e6:.0f} MB are free"
        super().__init__(host, message, hint="make room on that host: `docker system df` shows what takes it")
        self.needed = needed
        self.free = free


class ArchiveBroken(ProvisionerError):
    """An image archive is cut short, or holds other bytes than it names."""


class StorageFailed(ProvisionerError):
    """A disk of this machine did not take or give a file: full, read-only, forbidden or damaged."""


class BalancerRefused(HostError):
    """The load balancer did not accept a file or a command, or did not reach the state that was asked for."""


class CapacityLow(HostError):
    """Too few nodes of a service would stay in a balancer's rotation if more left it."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """How a node looked while it was waited for.

    `waited` is seconds in all, `good` for how long it had been healthy at last; `check` is the code of the balancer's
    last check of it, `words` the same in the balancer's words.
    """

    waited: float = 0.0
    good: float = 0.0
    check: str = ""
    words: str = ""


class NodeUnhealthy(HostError):
    """A node did not pass its gate; `node` names it, `log` holds the last lines it wrote."""

    def __init__(
        self,
        host: str,
        message: str,
        *,
        node: str,
        log: tuple[str, ...] = (),
        hint: str = "",
        watched: GateReport = GateReport(),
    ) -> None:
        super().__init__(host, message, hint=hint)
        self.node = node
        self.log = log
        self.watched = watched


class GivenUp(ProvisionerError):
    """An action was ended before its time because the rollout had failed elsewhere."""


class RolloutStalled(ProvisionerError):
    """No node succeeded within the rollout's progress deadline."""


class ReleaseCommandFailed(ProvisionerError):
    """A release command did not end, or not well; `log` holds the last lines it wrote."""

    def __init__(self, message: str, *, log: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log = log


class LastNode(ProvisionerError):
    """Draining a node would leave nobody of its service to serve."""


class PlanStale(ProvisionerError):
    """The fleet moved on after the plan was made."""


class LeaseHeld(ProvisionerError):
    """Another controller holds the lease; `owner` and `run` name it, `until` is by the clock of `host` (RFC 3339)."""

    exit_code = 5

    def __init__(self, message: str, *, host: str, owner: str, run: str, until: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.owner = owner
        self.run = run
        self.until = until


class LeaseLost(ProvisionerError):
    """This run may not change the fleet any more; it stopped before its next effect."""

    exit_code = 5


class InterruptionRefused(ProvisionerError):
    """A step would interrupt clients, and `--allow-interruption` was not given."""


class Interrupted(ProvisionerError):
    """A person stopped the command; what was under way was left as it was."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted", hint="the same command goes on from here")


class LabError(ProvisionerError):
    """The rehearsal fleet on this machine could not be made, found or removed."""

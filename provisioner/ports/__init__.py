"""What the conductor needs from the world: small Protocols, at most five methods each.

Whatever can change a host is kept apart from what can only read it: `drift` is lent readers and nothing else.
"""

from provisioner.ports.containers import Completed, Containers, ContainerShell, FileContent, Stream
from provisioner.ports.hosts import (
    Balancer,
    Balancers,
    Examiner,
    FactsReader,
    HostHands,
    HostReader,
    Hosts,
    Leases,
    Machines,
    Readers,
    ReleaseReader,
    Shipper,
)
from provisioner.ports.images import (
    Builder,
    ImageIds,
    ImageReader,
    ImageStore,
    InputsKeeper,
    InputsUnpacker,
    Progress,
    ReleaseShelf,
    Resolver,
)
from provisioner.ports.surroundings import Clock, EventSink, Hooks, JournalFile, Pulse

__all__ = [
    "Balancer",
    "Balancers",
    "Builder",
    "Clock",
    "Completed",
    "ContainerShell",
    "Containers",
    "EventSink",
    "Examiner",
    "FactsReader",
    "FileContent",
    "Hooks",
    "HostHands",
    "HostReader",
    "Hosts",
    "ImageIds",
    "ImageReader",
    "ImageStore",
    "InputsKeeper",
    "InputsUnpacker",
    "JournalFile",
    "Leases",
    "Machines",
    "Progress",
    "Pulse",
    "Readers",
    "ReleaseReader",
    "ReleaseShelf",
    "Resolver",
    "Shipper",
    "Stream",
]

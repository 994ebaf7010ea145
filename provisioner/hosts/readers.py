"""Lends readers of hosts and nothing else: who holds this cannot change a host."""

from __future__ import annotations

from provisioner.hosts.access import SshHosts
from provisioner.model.inventory import Host
from provisioner.ports import FactsReader, HostReader, ReleaseReader


class ReadOnlyHosts:
    """The reading half of hosts. It keeps no reference to the half that changes them."""

    __slots__ = ("machine", "reader", "releases")

    def __init__(self, hosts: SshHosts) -> None:
        def reader(host: Host) -> HostReader:
            return hosts.reader(host)

        def releases(host: Host) -> ReleaseReader:
            return hosts.releases(host)

        def machine(host: Host) -> FactsReader:
            return hosts.machine(host)

        self.machine = machine
        self.reader = reader
        self.releases = releases

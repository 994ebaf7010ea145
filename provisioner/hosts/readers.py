"""Lends readers of hosts and nothing else: who holds this cannot change a host."""

from __future__ import annotations

from provisioner.hosts.access import SshHosts
from provisioner.model.inventory import Host
from provisioner.ports import HostReader, ReleaseReader


class ReadOnlyHosts:
    """The reading half of hosts. It keeps no reference to the half that changes them."""

    __slots__ = ("reader", "releases")

    def __init__(self, hosts: SshHosts) -> None:
        def reader(host: Host) -> HostReader:
            return hosts.reader(host)

        def releases(host: Host) -> ReleaseReader:
            return hosts.releases(host)

        self.reader = reader
        self.releases = releases

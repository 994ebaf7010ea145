"""A fleet of hosts in memory: it behaves like sshd and Docker Engine, in milliseconds and on command."""

from provisioner.hosts.memory.behaviour import AppBehaviour
from provisioner.hosts.memory.clock import MemoryClock
from provisioner.hosts.memory.effects import Effect, Effects
from provisioner.hosts.memory.fleet import MemoryHosts
from provisioner.hosts.memory.host import MemoryHost
from provisioner.hosts.memory.images import MemoryImages, image_archive
from provisioner.hosts.memory.machine import Machine

__all__ = [
    "AppBehaviour",
    "Effect",
    "Effects",
    "Machine",
    "MemoryClock",
    "MemoryHost",
    "MemoryHosts",
    "MemoryImages",
    "image_archive",
]

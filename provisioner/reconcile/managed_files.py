"""Reads the files that a release rendered out of the containers that should have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.errors import EngineRefused, HostError
from provisioner.model.deviation import Deviation, Unseen
from provisioner.model.image import RenderedFile
from provisioner.model.inventory import Host
from provisioner.model.observed import Observed, ObservedContainer, ObservedHost, Unreachable
from provisioner.model.release import Release
from provisioner.planning.managed_files import file_deviations
from provisioner.reconcile.at_once import at_once
from provisioner.reconcile.world import Lookout

Rendered = Mapping[str, tuple[RenderedFile, ...]]
"""The rendered files of images, by the image's id."""


def rendered_files(releases: Iterable[Release | None]) -> Rendered:
    """Return the files that the images of some releases hold, as they were rendered."""
    builds = (build for release in releases if release for build in release.content.builds)
    return {build.image_id: build.inputs.files for build in builds if build.inputs.files}


def with_managed_files(lookout: Lookout, observed: Observed, hosts: Mapping[str, Host], rendered: Rendered) -> Observed:
    """Return what was seen with every managed file compared: content, mode and owner, links not followed."""
    if not rendered:
        return observed
    glance = _Glance(lookout, hosts, rendered)
    seen = at_once(glance.at, observed.hosts, lookout.forks)
    lost = tuple(host for host in seen if isinstance(host, Unreachable))
    there = tuple(host for host in seen if isinstance(host, ObservedHost))
    return Observed(there, (*observed.unreachable, *lost))


@dataclass(frozen=True, slots=True)
class _Glance:
    """One look at managed files."""

    lookout: Lookout
    hosts: Mapping[str, Host]
    rendered: Rendered

    def at(self, host: ObservedHost) -> ObservedHost | Unreachable:
        """Return a host with what differs in the managed files of its containers."""
        try:
            return replace(host, containers=tuple(self._container(host.name, each) for each in host.containers))
        except HostError as error:
            return Unreachable(host.name, error.reason, error.hint)

    def _container(self, host: str, container: ObservedContainer) -> ObservedContainer:
        wanted = tuple(each for each in self.rendered.get(container.image_id, ()) if _is_bare(container, each.path))
        if not wanted:
            return container
        try:
            found = tuple(self._compared(host, container, wanted))
        except EngineRefused as error:
            return replace(container, unseen=(*container.unseen, Unseen("files", error.reason)))
        paths = {each.path for each in wanted}
        # What is known of a managed file is told once, by what it should hold.
        others = tuple(each for each in container.deviations if each.kind != "files" or each.key not in paths)
        return replace(container, deviations=tuple(sorted((*others, *found))))

    def _compared(self, host: str, container: ObservedContainer, wanted: Iterable[RenderedFile]) -> Iterator[Deviation]:
        reader = self.lookout.readers.reader(self.hosts[host])
        for each in wanted:
            yield from file_deviations(each, reader.state(container.container_id, each.path))


def _is_bare(container: ObservedContainer, path: str) -> bool:
    """Tell whether nothing is mounted over a path, so that it is the image's own."""
    options = container.options
    targets = [*(mount.target for mount in options.mounts), *(mount.target for mount in options.tmpfs)]
    return not any(path == target or path.startswith(f"{target.rstrip('/')}/") for target in targets)

"""An image store and a builder in memory that behave as engines do, for tests without one."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import RLock

from provisioner.errors import BuildFailed, EngineRefused, ImageMissing
from provisioner.images.archive import ImageContent, Layer, chain_ids, digest_of, pack
from provisioner.images.facts import image_defaults, platform_name
from provisioner.images.saved import SavedImage, config_diff_ids, saved_images
from provisioner.images.shipping.record import record_image
from provisioner.model.container import ContainerRequest
from provisioner.model.image import BuildInputs, ImageFacts, Made, PathDifference
from provisioner.model.secret import Login
from provisioner.ports import Containers, ContainerShell, ImageStore, Progress


@dataclass(slots=True)
class MemoryImageStore:
    """The images of an engine with the classic store: layers are kept by chain, broken archives are refused.

    `capacity` is the bytes of layers it has room for. With `credulous` it answers success for an archive that
    lacks layers and keeps its tags, as some containerd stores do; such an image is shown without those layers.
    `registry` has the archives it can pull, by reference.
    """

    host: str = "memory"
    capacity: int = 1 << 40
    credulous: bool = False
    images: dict[str, ImageContent] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    layers: dict[str, bytes] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    registry: Mapping[str, bytes] = field(default_factory=dict)

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        image = self.images.get(self.tags.get(reference, reference))
        return None if image is None else self._facts(image)

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers, bottom-up by diff id, of each image tagged in a repository, the newest image first."""
        tagged = [image for tag, image in tuple(self.tags.items()) if tag.rpartition(":")[0] == repository]
        return tuple(image.diff_ids for key in dict.fromkeys(reversed(tagged)) if (image := self.images.get(key)))

    def chains(self) -> frozenset[str]:
        """Return the chain ids of every layer here."""
        return frozenset(self.layers)

    def load(self, archive: Iterable[bytes]) -> None:
        """Take an archive; `received` gets its length. Raise EngineRefused and keep nothing where it is broken."""
        content = b"".join(archive)
        self.received.append(len(content))
        files = self._unpacked(content)
        if "manifest.json" not in files:
            raise EngineRefused(self.host, "open /manifest.json: no such file or directory", status=500)
        with self.lock:
            for entry, tags in _entries(files):
                self._keep(files[entry.config], entry, files)
                self.tags.update(dict.fromkeys(tags, digest_of(files[entry.config])))

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield an image as an archive, in pieces."""
        image = self.images.get(self.tags.get(reference, reference))
        if image is None:
            raise EngineRefused(self.host, f"no such image: {reference}", status=404)
        layers = dict(zip(image.diff_ids, chain_ids(image.diff_ids), strict=True))
        tags = tuple(tag for tag, image_id in self.tags.items() if image_id == image.image_id)
        yield from pack(image, tags, tuple(dict.fromkeys(image.layers))).stream(
            lambda diff: (self.layers[layers[diff]],)
        )

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:
        """Pull an image from the registry it was given."""
        archive = self.registry.get(reference)
        if archive is None:
            raise EngineRefused(self.host, f"pulling {reference}: unauthorized or not there", status=404)
        progress(f"pulling {reference}{f' as {login.username}' if login else ''}", len(archive), len(archive))
        self.load([archive])
        entry, _ = next(_entries(self._unpacked(archive)))
        self.tags[reference] = digest_of(self._unpacked(archive)[entry.config])
        return len(archive)

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image that is there, whatever it named before."""
        image_id = self.tags.get(reference, reference)
        if image_id not in self.images:
            raise EngineRefused(self.host, f"no such image: {reference}", status=404)
        with self.lock:
            self.tags[tag] = image_id

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last one, and its layers where no other image has them."""
        image_id = self.tags.pop(reference, reference)
        if reference == image_id:
            self.tags = {tag: tagged for tag, tagged in self.tags.items() if tagged != image_id}
        if image_id not in self.tags.values():
            self.images.pop(image_id, None)
        used = {chain for image in self.images.values() for chain in chain_ids(image.diff_ids)}
        self.layers = {chain: layer for chain, layer in self.layers.items() if chain in used}

    def _keep(self, config: bytes, entry: SavedImage, files: Mapping[str, bytes]) -> None:
        diff_ids = config_diff_ids(config)
        if len(diff_ids) != len(entry.layers):
            raise EngineRefused(self.host, "invalid manifest, layers length mismatch", status=500)
        chains, layers = dict(self.layers), []
        for chain, diff_id, path in zip(chain_ids(diff_ids), diff_ids, entry.layers, strict=True):
            if layer := chains.get(chain) or self._registered(files.get(path), diff_id, path):
                chains[chain] = layer
                layers.append(Layer(diff_id, len(layer)))
        if sum(map(len, chains.values())) > self.capacity:
            raise EngineRefused(self.host, "write /layer.tar: no space left on device", status=500)
        self.layers = chains
        self.images[digest_of(config)] = ImageContent(config, tuple(layers))

    def _registered(self, layer: bytes | None, diff_id: str, path: str) -> bytes | None:
        if layer is not None and digest_of(layer) == diff_id:
            return layer
        if self.credulous:
            return None
        fault = f"open /{path}: no such file or directory" if layer is None else f"invalid diffID: expected {diff_id}"
        raise EngineRefused(self.host, fault, status=500)

    def _unpacked(self, content: bytes) -> dict[str, bytes]:
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
                return {name: source.read() for name, source in files.items() if source is not None}
        except (tarfile.TarError, OSError) as error:
            raise EngineRefused(self.host, "unexpected EOF", status=500) from error

    def _facts(self, image: ImageContent) -> ImageFacts:
        config = json.loads(image.config)
        return ImageFacts(
            image_id=image.image_id,
            tags=tuple(sorted(tag for tag, image_id in self.tags.items() if image_id == image.image_id)),
            labels=config.get("config", {}).get("Labels") or {},
            layers=image.diff_ids,
            defaults=image_defaults(config.get("config") or {}),
            platform=platform_name(config.get("os"), config.get("architecture"), config.get("variant")),
            size=sum(layer.size for layer in image.layers),
        )


@dataclass(slots=True)
class MemoryContainers:
    """Makes containers of images of a store and keeps their names; nothing runs in them."""

    images: ImageStore
    names: set[str] = field(default_factory=set)

    def create(self, request: ContainerRequest) -> str:
        """Create a container; refused where the store does not have its image."""
        if self.images.inspect(request.image_id) is None:
            raise EngineRefused(self.images.host, f"no such image: {request.image_id}", status=404)
        self.names.add(request.name)
        return request.name

    def start(self, container_id: str, restart: str = "") -> None:
        """Do nothing."""

    def stop(self, container_id: str, timeout: int) -> None:
        """Do nothing."""

    def remove(self, container_id: str) -> None:
        """Forget a container."""
        self.names.discard(container_id)

    def remove_volume(self, name: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class MemoryReceiver:
    """A host around a store: it can receive images, and has containers of them but nothing that runs."""

    images: ImageStore
    containers: Containers

    @property
    def shell(self) -> ContainerShell:
        """Refuse: nothing runs here."""
        raise EngineRefused(self.images.host, "nothing runs here")

    @property
    def engine_socket(self) -> str:
        """Return a path where nothing listens."""
        return "/nowhere"


def receiver(images: ImageStore) -> MemoryReceiver:
    """Return a host that has this store."""
    return MemoryReceiver(images, MemoryContainers(images))


@dataclass(slots=True)
class MemoryBuilder:
    """Makes images in a store in memory: the same inputs give the same id.

    `registry` names what can be pulled; `failures` says, by tag, how a build ends, `unsteady` in what two of them
    differ.
    """

    store: MemoryImageStore
    registry: frozenset[str] = frozenset()
    failures: Mapping[str, BuildFailed] = field(default_factory=dict)
    platform: str = "linux/amd64"
    built: list[str] = field(default_factory=list)
    unsteady: Mapping[str, tuple[PathDifference, ...]] = field(default_factory=dict)

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by tag, name or id, None where the store has none."""
        return self.store.inspect(reference)

    def build(self, inputs: BuildInputs, progress: Progress) -> Made:
        """Build an image and tag it `inputs.tag`. Raise the failure that was arranged."""
        if inputs.tag in self.failures:
            raise self.failures[inputs.tag]
        progress("Step 1/1 : FROM memory", 0, 0)
        self.built.append(inputs.tag)
        files = {"inputs": repr(replace(inputs, tag="", context=())).encode()}
        context = {f"context/{entry.path}": entry.digest.encode() for entry in inputs.context}
        return Made(self._have({**files, **context}, inputs.tag), inputs.pins)

    def made(self, tag: str) -> Made | None:
        """Return an image of the store by tag; how it was made nobody keeps."""
        found = self.find(tag)
        return Made(found) if found else None

    def check(self, inputs: BuildInputs, progress: Progress) -> tuple[PathDifference, ...]:
        """Return the differences that were arranged; build nothing."""
        if inputs.tag in self.failures:
            raise self.failures[inputs.tag]
        progress("Step 1/1 : FROM memory", 0, 0)
        return self.unsteady.get(inputs.tag, ())

    def rename(self, tag: str, to: str) -> None:
        """Let an image go by another tag, by none where `to` is empty."""
        if to:
            self.store.tag(tag, to)
        self.store.remove(tag)

    def pull(self, reference: str, progress: Progress) -> ImageFacts:
        """Have an image that `registry` names. Raise ImageMissing for any other."""
        if reference not in self.registry:
            raise ImageMissing(f"no registry has {reference}")
        progress(f"pulling {reference}", 0, 0)
        return self._have({"reference": reference.encode()}, reference)

    def _have(self, files: Mapping[str, bytes], tag: str) -> ImageFacts:
        image, layer = record_image(files, {}, self.platform)
        self.store.load(pack(image, (tag,), image.layers).stream(lambda _: (layer,)))
        found = self.store.inspect(tag)
        if found is None:
            raise ImageMissing(f"the store lost {tag}")
        return found


def _entries(files: Mapping[str, bytes]) -> Iterator[tuple[SavedImage, tuple[str, ...]]]:
    manifest = files["manifest.json"]
    for entry, described in zip(saved_images(manifest), json.loads(manifest), strict=True):
        yield entry, tuple(described.get("RepoTags") or ())

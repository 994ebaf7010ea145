"""The images of an engine in memory: it loads and saves the archives that real engines load and save."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from tarfile import TarError

from provisioner.errors import EngineRefused
from provisioner.hosts.memory.archive import Blobs, chains_of, image_archive, image_facts, pack, unpack
from provisioner.hosts.memory.line import Line
from provisioner.model.image import ImageFacts
from provisioner.model.secret import Login
from provisioner.ports import Progress

__all__ = ["MemoryImages", "image_archive"]


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image with the bytes it was made of; `layers` are tar archives bottom-up."""

    facts: ImageFacts
    config: bytes = b""
    layers: tuple[bytes, ...] = ()


class Shelf:
    """Images by id, as an engine keeps them: a tag names one image, and moves when another takes it."""

    def __init__(self) -> None:
        self.held: dict[str, HeldImage] = {}

    def find(self, reference: str) -> HeldImage | None:
        """Return an image by id or tag."""
        if reference in self.held:
            return self.held[reference]
        names = {reference, f"{reference}:latest"}
        return next((held for held in self.held.values() if names & set(held.facts.tags)), None)

    def unpack(self, archive: Iterable[bytes]) -> None:
        """Take every image out of an archive. Raise what unpacking and `keep` raise."""
        blobs = unpack(b"".join(archive))
        for entry in json.loads(blobs["/manifest.json"]):
            self.keep(entry, blobs)

    def keep(self, entry: Mapping[str, object], blobs: Blobs) -> None:
        """Take an image out of an archive. Raise KeyError for a layer that is neither there nor here."""
        facts, config, paths = image_facts(entry, blobs)
        known = {chain: layer for held in self.held.values() for chain, layer in _layers_by_chain(held)}
        layers = [
            blobs[path] if path in blobs else known[chain]
            for path, chain in zip(paths, chains_of(facts.layers), strict=True)
        ]
        self._move_tags(facts)
        before = self.held.get(facts.image_id)
        tags = tuple(dict.fromkeys((before.facts.tags if before else ()) + facts.tags))
        self.held[facts.image_id] = HeldImage(replace(facts, tags=tags), config, tuple(layers))

    def untag(self, held: HeldImage, reference: str) -> bool:
        """Take a tag off an image; tell whether any is left. Its id stands for all of them."""
        image_id = held.facts.image_id
        tags = () if reference == image_id else tuple(tag for tag in held.facts.tags if tag != reference)
        if tags:
            self.held[image_id] = replace(held, facts=replace(held.facts, tags=tags))
        return bool(tags)

    def name(self, held: HeldImage, tag: str) -> None:
        """Let a tag name an image, whatever it named before."""
        facts = replace(held.facts, tags=tuple(dict.fromkeys((*held.facts.tags, tag))))
        self._move_tags(facts)
        self.held[facts.image_id] = replace(held, facts=facts)

    def layer_bytes(self) -> int:
        """Return the bytes that all layers take, each layer once."""
        layers = {chain: layer for held in self.held.values() for chain, layer in _layers_by_chain(held)}
        return sum(map(len, layers.values()))

    def _move_tags(self, facts: ImageFacts) -> None:
        for key, held in self.held.items():
            left = tuple(tag for tag in held.facts.tags if tag not in facts.tags)
            if key != facts.image_id and left != held.facts.tags:
                self.held[key] = replace(held, facts=replace(held.facts, tags=left))


class WithoutRegistry:
    """An engine whom no registry answers."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def pull(self, reference: str, login: Login | None, progress: Progress) -> int:  # noqa: ARG002 - as its kin
        """Pull an image: there is no registry to be reached from memory."""
        self._line.reach()
        raise EngineRefused(self._line.host, f"pulling {reference}: no registry answers", status=500)


class MemoryImages(WithoutRegistry):
    """The images of one engine: an ImageStore, and a way to put an image there without an archive."""

    def __init__(self, line: Line, in_use: Callable[[str], bool] = lambda _: False) -> None:
        super().__init__(line)
        self._in_use = in_use
        self.shelf = Shelf()
        self.refusal = ""
        """While not empty, what every load is refused with (`no space left on device`)."""

    @property
    def host(self) -> str:
        """Return the name of the host the engine is on."""
        return self._line.host

    def add(self, facts: ImageFacts) -> None:
        """Have an image of which nothing but the facts matters; such an image cannot be saved."""
        self.shelf.held[facts.image_id] = HeldImage(facts)

    def all(self) -> tuple[ImageFacts, ...]:
        """Return every image, by id."""
        return tuple(held.facts for _, held in sorted(self.shelf.held.items()))

    def files(self, reference: str) -> Mapping[str, bytes]:
        """Return the files of an image by absolute path, none where there is no such image."""
        held = self.shelf.find(reference)
        return {} if held is None else {path: data for layer in held.layers for path, data in unpack(layer).items()}

    def inspect(self, reference: str) -> ImageFacts | None:
        """Return an image by tag or id, None where there is none."""
        self._line.reach()
        held = self.shelf.find(reference)
        return None if held is None else held.facts

    def stacks(self, repository: str) -> tuple[tuple[str, ...], ...]:
        """Return the layers, bottom-up by diff id, of each image tagged in a repository, the newest image first."""
        self._line.reach()
        tagged = (held.facts for held in reversed(tuple(self.shelf.held.values())))
        return tuple(
            facts.layers for facts in tagged if any(tag.rpartition(":")[0] == repository for tag in facts.tags)
        )

    def chains(self) -> frozenset[str]:
        """Return the chain ids of every layer the engine has."""
        self._line.reach()
        return frozenset(chain for held in tuple(self.shelf.held.values()) for chain in chains_of(held.facts.layers))

    def load(self, archive: Iterable[bytes]) -> None:
        """Load an archive as an engine does: layers that are here already may be missing from it."""
        with self._line.effect("load image"):
            if self.refusal:
                raise EngineRefused(self._line.host, self.refusal, status=500)
            try:
                self.shelf.unpack(archive)
            except (KeyError, ValueError, OSError, TarError) as fault:
                raise EngineRefused(self._line.host, f"the archive is not whole: {fault}", status=500) from fault

    def save(self, reference: str) -> Iterator[bytes]:
        """Return an image as an archive, in one piece."""
        self._line.reach()
        held = self.shelf.find(reference)
        if held is None or not held.config:
            raise EngineRefused(self._line.host, f"no such image: {reference}", status=404)
        yield pack(held.config, held.layers, held.facts.tags)

    def tag(self, reference: str, tag: str) -> None:
        """Let a tag name an image that is there, whatever it named before."""
        with self._line.effect(f"tag image {tag}"):
            held = self.shelf.find(reference)
            if held is None:
                raise EngineRefused(self._line.host, f"no such image: {reference}", status=404)
            self.shelf.name(held, tag)

    def remove(self, reference: str) -> None:
        """Remove a tag, and the image with its last one; an id removes them all. Not one a container needs."""
        with self._line.effect(f"remove image {reference}"):
            held = self.shelf.find(reference)
            if held is None or self.shelf.untag(held, reference):
                return
            if self._in_use(held.facts.image_id):
                raise EngineRefused(self._line.host, f"image {reference} is used by a container", status=409)
            del self.shelf.held[held.facts.image_id]


def _layers_by_chain(held: HeldImage) -> Iterator[tuple[str, bytes]]:
    return zip(chains_of(held.facts.layers), held.layers, strict=False)

"""A build whose image is the same on every engine: built raw, saved, normalised, kept, loaded back and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from provisioner.errors import BuildFailed
from provisioner.images.archive import ImageContent, Layer, pack
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages, follow, refusal_text, told_as_refused
from provisioner.images.normalising.compare import differences
from provisioner.images.normalising.normalise import Normalised, Rules, normalise
from provisioner.images.raw_build import RawBuilds, Recipe
from provisioner.model.image import BuildInputs, Explanation, ImageFacts, PathDifference
from provisioner.ports import Progress

_NO_FILES: Mapping[str, Path] = {}


class NormalisedBuild:
    """Turns a Dockerfile with its context into a normalised image in a cache and on one engine."""

    def __init__(self, client: docker.APIClient, host: str, raw: RawBuilds, cache: LayerCache) -> None:
        self._client = client
        self._raw = raw
        self._cache = cache
        self._images = EngineImages(client, host)

    def run(
        self,
        inputs: BuildInputs,
        dockerfile: str,
        labels: Mapping[str, str],
        base_layers: tuple[str, ...],
        progress: Progress,
        *,
        files: Mapping[str, Path] = _NO_FILES,
    ) -> tuple[ImageFacts, Explanation]:
        """Make an image, tag it `inputs.tag` and return it, and how it came to be.

        `base_layers` are the diff ids that stay as they are; `files` go into the settings folder of the context, by
        name. Raise BuildFailed, HostError, ArchiveBroken, StorageFailed.
        """
        recipe = Recipe(dockerfile, base_layers, labels, files)
        made = self.make(inputs, recipe, progress, self._cache)
        progress("loading the normalised image", 0, 0)
        return self._loaded(made.content, inputs.tag, len(base_layers)), made.explanation

    def make(self, inputs: BuildInputs, recipe: Recipe, progress: Progress, cache: LayerCache) -> Normalised:
        """Make a normalised image in a cache and nowhere else. Raise as `run` does."""
        with self._raw.built(inputs, recipe, progress) as raw:
            if raw.layers[: len(recipe.base_layers)] != recipe.base_layers:
                raise _failed(inputs.tag, "the engine built it on another base than the one it was given")
            progress("reading what was built", 0, raw.size)
            with cache.spooled(self._images.save(raw.tags[0] if raw.tags else raw.image_id)) as spooled:
                progress("normalising", 0, 0)
                rules = Rules(frozenset(file.path.lstrip("/") for file in inputs.files), recipe.labels)
                with told_as_storage(cache.folder):
                    made = normalise(spooled, len(recipe.base_layers), rules)
                    cache.keep(made.content, made.layers, spooled.folder)
        return replace(made, layers={diff_id: cache.path_of(diff_id) for diff_id in made.content.diff_ids})

    def compared(self, inputs: BuildInputs, recipe: Recipe, progress: Progress) -> tuple[PathDifference, ...]:
        """Make an image twice, neither to be kept, and return in what the two differ. Raise as `run` does."""
        with self._cache.workspace() as folder:
            first, second = (self.make(inputs, recipe, progress, LayerCache(folder / name)) for name in ("1", "2"))
            return differences(first, second)

    def _loaded(self, image: ImageContent, tag: str, base: int) -> ImageFacts:
        """Give the engine a normalised image, at first without the layers it built upon; return it as it is there."""
        reason = ""
        for missing in (image.layers[base:], image.layers):
            reason = self._load(image, tag, tuple(dict.fromkeys(missing)))
            found = None if reason else self._images.inspect(tag)
            if found is not None and (found.image_id, found.layers) == (image.image_id, image.diff_ids):
                return found
            reason = reason or f"it has {found.image_id if found else 'nothing'} under that tag"
        raise _failed(tag, f"the engine does not take the normalised image: {reason}")

    def _load(self, image: ImageContent, tag: str, missing: tuple[Layer, ...]) -> str:
        """Load once; return why it failed, empty where the engine names no reason."""
        asked: Any = self._client
        with told_as_refused(self._images.host):
            try:
                return follow(asked.load_image(pack(image, (tag,), missing).stream(self._cache.layer)), lambda _: None)
            except APIError as error:
                return refusal_text(error)


def _failed(tag: str, reason: str) -> BuildFailed:
    return BuildFailed(tag, instruction="", output=(), reason=reason, hint="run the command again")

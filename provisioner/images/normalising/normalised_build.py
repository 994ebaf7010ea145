"""A build whose image is the same on every engine: built raw, saved, normalised, kept, loaded back and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import docker

from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.engine import EngineImages
from provisioner.images.image_ids import KnownImageIds
from provisioner.images.normalising.compare import differences
from provisioner.images.normalising.load import Loading, failed
from provisioner.images.normalising.normalise import Normalised, Rules, normalise
from provisioner.images.raw_build import RawBuilds, Recipe, origin_of
from provisioner.model.image import BuildInputs, Explanation, ImageFacts, PathDifference
from provisioner.ports import ImageIds, Progress

_NO_FILES: Mapping[str, Path] = {}


class NormalisedBuild:
    """Turns a Dockerfile with its context into a normalised image in a cache and on one engine."""

    def __init__(
        self, client: docker.APIClient, host: str, raw: RawBuilds, cache: LayerCache, ids: ImageIds | None = None
    ) -> None:
        ids = ids if ids is not None else KnownImageIds()
        self._raw = raw
        self._cache = cache
        self._images = EngineImages(client, host, ids)
        self._load = Loading(client, self._images, cache, ids)

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
        return self._load.into(inputs.tag, made), made.explanation

    def make(self, inputs: BuildInputs, recipe: Recipe, progress: Progress, cache: LayerCache) -> Normalised:
        """Make a normalised image in a cache and nowhere else. Raise as `run` does."""
        with self._raw.built(inputs, recipe, progress) as raw:
            kept = len(self._base_layers(inputs, recipe, raw))
            progress("reading what was built", 0, raw.size)
            with cache.spooled(self._images.save(raw.tags[0] if raw.tags else raw.image_id)) as spooled:
                progress("normalising", 0, 0)
                rules = Rules(frozenset(file.path.lstrip("/") for file in inputs.files), recipe.labels)
                with told_as_storage(cache.folder):
                    made = normalise(spooled, kept, rules)
                    cache.keep(made.content, made.layers, spooled.folder)
        return replace(made, layers={diff_id: cache.path_of(diff_id) for diff_id in made.content.diff_ids})

    def compared(self, inputs: BuildInputs, recipe: Recipe, progress: Progress) -> tuple[PathDifference, ...]:
        """Make an image twice, neither to be kept, and return in what the two differ. Raise as `run` does."""
        with self._cache.workspace() as folder:
            first, second = (self.make(inputs, recipe, progress, LayerCache(folder / name)) for name in ("1", "2"))
            return differences(first, second)

    def _base_layers(self, inputs: BuildInputs, recipe: Recipe, raw: ImageFacts) -> tuple[str, ...]:
        """Return the diff ids that stay as they are: those of the base, or of the image the Dockerfile names itself."""
        if recipe.base_layers:
            if raw.layers[: len(recipe.base_layers)] != recipe.base_layers:
                raise failed(inputs.tag, "the engine built it on another base than the one it was given")
            return recipe.base_layers
        origin = origin_of(recipe.dockerfile)
        found = self._images.inspect(origin) if origin else None
        return found.layers if found and raw.layers[: len(found.layers)] == found.layers else ()

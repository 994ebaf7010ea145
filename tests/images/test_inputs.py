"""Images of inputs: the same files give the same image, an unchanged kind the same layer, and memory stays constant."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from provisioner.errors import ArchiveBroken, ImageMissing
from provisioner.images.archive import ImageContent
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.cache import LayerCache
from provisioner.images.inputs.gather import InputsImages
from provisioner.images.inputs.unpack import InputsUnpacker
from provisioner.model.keeping import InputsSection, KeptInputs, SectionKind, WantedInputs
from provisioner.ports import Progress


class Shelf:
    """A cache with artefacts and a folder of context files."""

    def __init__(self, folder: Path) -> None:
        self.cache = LayerCache(folder / "layers")
        self.artefacts = Artefacts(folder / "artefacts")
        self.contexts = Artefacts(folder / "contexts")
        self.folder = folder
        self.files: dict[str, str] = {}

    def write(self, name: str, content: bytes) -> str:
        """Put a file into the build context; return its sha256."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        self.files[digest] = str(path)
        return digest

    def hold(self, image_id: str, progress: Progress) -> ImageContent:
        """Have an image that is in the cache."""
        found = self.cache.find(image_id)
        if found is None:
            raise ImageMissing(f"nobody has {image_id}")
        return found

    def keep(self, *sections: InputsSection, earlier: tuple[str, ...] = ()) -> KeptInputs:
        """Gather sections into an image."""
        wanted = WantedInputs("shop", "provisioner/shop/inputs:1", sections)
        return InputsImages(self.cache, self.artefacts, self.hold).keep(wanted, self.files, earlier, lambda *_: None)

    def layers(self, kept: KeptInputs) -> tuple[str, ...]:
        """Return the diff ids of an image."""
        return self.hold(kept.image_id, lambda *_: None).diff_ids


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Return an empty shelf."""
    return Shelf(tmp_path)


def section(kind: SectionKind, *files: str) -> InputsSection:
    """Return a section of files."""
    return InputsSection(kind, tuple(sorted(files)))


def test_the_same_inputs_give_the_same_image(shelf: Shelf, tmp_path: Path) -> None:
    """On another machine, from files with other names and times, the image has the same id."""
    other = Shelf(tmp_path / "other")
    made = [each.keep(section("context", each.write(name, b"app"))) for each, name in ((shelf, "a"), (other, "b"))]
    assert made[0] == made[1]


def test_a_changed_app_changes_only_its_own_layer(shelf: Shelf) -> None:
    """Packages below stay the layer they were, so that a host is sent the context alone."""
    package, _ = shelf.artefacts.add([b"package"])
    before = shelf.layers(shelf.keep(section("root", package), section("context", shelf.write("app", b"one"))))
    after = shelf.layers(shelf.keep(section("root", package), section("context", shelf.write("app", b"two"))))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_a_file_that_changed_since_it_was_read_is_refused(shelf: Shelf) -> None:
    """What lies there now is not kept under the digest of what lay there."""
    digest = shelf.write("app", b"one")
    (shelf.folder / "app").write_bytes(b"two")
    with pytest.raises(ArchiveBroken):
        shelf.keep(section("context", digest))


def test_what_is_nowhere_is_named(shelf: Shelf) -> None:
    """A package and an image that nobody has are missing, and the rest is kept."""
    digest, lost, image = shelf.write("app", b"one"), "ab" * 32, "sha256:" + "cd" * 32
    kept = shelf.keep(InputsSection("image", image_id=image), section("root", lost), section("context", digest))
    assert kept.missing == tuple(sorted((lost, image)))
    assert len(shelf.layers(kept)) == 1


def test_a_controller_without_packages_takes_them_from_the_image_before(shelf: Shelf) -> None:
    """What this machine lacks is read out of the inputs of an earlier release."""
    package, path = shelf.artefacts.add([b"package"])
    before = shelf.keep(section("root", package))
    path.unlink()
    again = shelf.keep(
        section("root", package), section("context", shelf.write("app", b"x")), earlier=(before.image_id,)
    )
    assert again.missing == ()
    assert shelf.layers(again)[0] == shelf.layers(before)[0]


def test_everything_is_unpacked_where_builds_look_for_it(shelf: Shelf) -> None:
    """Packages lie among artefacts again, verified, and contexts by digest; what the image lacks is told."""
    package, path = shelf.artefacts.add([b"package"])
    digest, lost = shelf.write("app", b"one"), "ab" * 32
    sections = (section("root", package, lost), section("context", digest))
    kept = shelf.keep(*sections)
    path.unlink()
    unpacker = InputsUnpacker(shelf.cache, shelf.artefacts, shelf.contexts, shelf.hold, lambda _: None)
    unpacked = unpacker.unpack(kept.image_id, WantedInputs("shop", "", sections), (), lambda *_: None)
    assert unpacked.missing == (lost,)
    found = shelf.artefacts.path(package), shelf.contexts.path(digest)
    assert [each.read_bytes() for each in found if each] == [b"package", b"one"]


def test_memory_does_not_grow_with_the_inputs(shelf: Shelf) -> None:
    """A file of 200 MB is packed within 16 MB of memory."""
    big = shelf.folder / "big"
    with big.open("wb") as sparse:
        sparse.truncate(200 << 20)
    with big.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    shelf.files[digest] = str(big)
    tracemalloc.start()
    shelf.keep(section("context", digest))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20

"""Images on this machine's disk, layer by layer, each named by what is in it.

layers/<hex of the diff id>     an uncompressed layer tar
images/<hex of the image id>/   `config`, byte for byte as it is hashed, and `layers.json`: diff ids with sizes
incoming/<name>/                what is being written now, locked by its writer, renamed into place when whole
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import ImageContent, Layer
from provisioner.images.disk import told_as_storage
from provisioner.images.saved import SavedArchive, SavedImage, config_diff_ids, read_saved, saved_images

_PIECE = 1 << 20
_ALGORITHM = "sha256:"
_LONGEST_DOCUMENT = 32 << 20


@dataclass(frozen=True, slots=True)
class SpooledImage:
    """An image that lies on the disk for a while: what it is, its layers' files bottom-up, and room beside them."""

    content: ImageContent
    layers: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Layers and image configs below a folder, shared by every process that uses it. All raise StorageFailed."""

    folder: Path

    def find(self, image_id: str) -> ImageContent | None:
        """Return an image of which everything is here, None where something is missing."""
        folder = self._image_folder(image_id)
        try:
            config, sizes = (folder / "config").read_bytes(), json.loads((folder / "layers.json").read_bytes())
            image = ImageContent(config, tuple(Layer(diff_id, size) for diff_id, size in sizes))
        except (OSError, ValueError, TypeError):
            return None
        whole = image.image_id == image_id and all(
            self._known_size(layer.diff_id.removeprefix(_ALGORITHM)) == layer.size for layer in image.layers
        )
        return image if whole else None

    def layer(self, diff_id: str) -> Iterator[bytes]:
        """Yield the bytes of a layer in pieces of constant size."""
        path = self.path_of(diff_id)
        with told_as_storage(path), path.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece

    def forget(self, image: ImageContent) -> None:
        """Remove an image and all its layers, which others may share: they are fetched again when needed."""
        for layer in image.layers:
            with told_as_storage(self.path_of(layer.diff_id)):
                self.path_of(layer.diff_id).unlink(missing_ok=True)
        shutil.rmtree(self._image_folder(image.image_id), ignore_errors=True)

    def absorb(self, pieces: Iterable[bytes]) -> tuple[ImageContent, ...]:
        """Keep every image of an archive as `docker save` writes it; return them in its order.

        Raise ArchiveBroken, and keep nothing, where the archive is cut or holds other bytes than it names.
        """
        with self.workspace() as folder:
            spool = _Spool(folder)
            archive = read_saved(pieces, spool.keep, self._known_size)
            manifest = spool.read(archive.resolve("manifest.json"))
            return tuple(self._accept(image, archive, spool) for image in saved_images(manifest))

    @contextmanager
    def spooled(self, pieces: Iterable[bytes]) -> Iterator[SpooledImage]:
        """Lend the only image of an archive; what is not put to `keep` is gone afterwards. Raise ArchiveBroken."""
        with self.workspace() as folder:
            spool = _Spool(folder)
            archive = read_saved(pieces, spool.keep, self._known_size)
            saved = saved_images(spool.read(archive.resolve("manifest.json")))
            if len(saved) != 1:
                raise ArchiveBroken(f"the image archive holds {len(saved)} images where one was asked for")
            content, names = _checked(saved[0], archive, spool)
            layers = zip(names, content.layers, strict=True)
            paths = tuple(spool.paths.get(name) or self.path_of(layer.diff_id) for name, layer in layers)
            yield SpooledImage(content, paths, folder)

    def keep(self, image: ImageContent, layers: Mapping[str, Path], folder: Path) -> None:
        """Keep an image whose layers lie in files of a workspace, by diff id; `folder` is that workspace."""
        for layer in image.layers:
            target = self.path_of(layer.diff_id)
            source = layers[layer.diff_id]
            if source != target and not target.exists():
                _place(source, target)
        self._write_image(image, folder)

    def _accept(self, image: SavedImage, archive: SavedArchive, spool: _Spool) -> ImageContent:
        content, names = _checked(image, archive, spool)
        for name, layer in zip(names, content.layers, strict=True):
            _place(spool.paths.get(name), self.path_of(layer.diff_id))
        self._write_image(content, spool.folder)
        return content

    def _write_image(self, image: ImageContent, spool: Path) -> None:
        target = self._image_folder(image.image_id)
        with told_as_storage(target):
            folder = Path(tempfile.mkdtemp(dir=spool))
            (folder / "config").write_bytes(image.config)
            sizes = [[layer.diff_id, layer.size] for layer in image.layers]
            (folder / "layers.json").write_text(json.dumps(sizes))
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError as error:
                # Another process wrote the same image meanwhile.
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Lend a folder of one's own that is gone afterwards; what a killed process left goes with the next one."""
        root = self.folder / "incoming"
        with told_as_storage(root), _locked_folder(root):
            _sweep(root)
            folder = Path(tempfile.mkdtemp(dir=root))
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def _known_size(self, digest: str) -> int | None:
        path = self.folder / "layers" / digest
        return path.stat().st_size if path.is_file() else None

    def path_of(self, diff_id: str) -> Path:
        """Return where a layer lies, or would lie."""
        return self.folder / "layers" / diff_id.removeprefix(_ALGORITHM)

    def _image_folder(self, image_id: str) -> Path:
        return self.folder / "images" / image_id.removeprefix(_ALGORITHM)


@dataclass(slots=True)
class _Spool:
    """The files of an archive while it is read; `paths` says where each lies, by its name in the archive."""

    folder: Path
    paths: dict[str, Path] = field(default_factory=dict)

    def keep(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write a file. Unbuffered, so that a full disk is noticed at the piece that does not fit."""
        path = self.folder / str(len(self.paths))
        self.paths[name] = path
        with told_as_storage(path):
            sink = path.open("wb", buffering=0)
        with sink:
            for piece in pieces:
                with told_as_storage(path):
                    _write_all(sink, piece)

    def read(self, name: str) -> bytes:
        """Return a document. Raise ArchiveBroken where it is too long to be one."""
        path = self.paths[name]
        with told_as_storage(path):
            if path.stat().st_size > _LONGEST_DOCUMENT:
                raise ArchiveBroken(f"{name} of the image archive is too long to be what it is named for")
            return path.read_bytes()


def _checked(image: SavedImage, archive: SavedArchive, spool: _Spool) -> tuple[ImageContent, tuple[str, ...]]:
    """Return what an image of an archive is, and the names of its layers there. Raise ArchiveBroken."""
    config = spool.read(archive.resolve(image.config))
    names = tuple(archive.resolve(name) for name in image.layers)
    layers = tuple(Layer(_ALGORITHM + archive.files[name].digest, archive.files[name].size) for name in names)
    content = ImageContent(config, layers)
    if content.image_id.removeprefix(_ALGORITHM) not in image.config:
        raise ArchiveBroken(f"{image.config} of the image archive is not what it is named for")
    if content.diff_ids != config_diff_ids(config):
        raise ArchiveBroken(f"{image.config} of the image archive names other layers than the archive holds")
    return content, names


def _place(source: Path | None, target: Path) -> None:
    with told_as_storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if source is not None and source.exists():
            source.rename(target)


def _write_all(sink: io.RawIOBase, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[sink.write(rest) :]


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove the folders of writers that no longer live: their lock went with them."""
    for folder in root.iterdir():
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its writer lives, and has just removed it himself
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)

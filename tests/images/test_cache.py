"""The cache on disk, and what it makes of saved archives, whole and broken."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import ArchiveBroken, StorageFailed
from provisioner.images.archive import pack
from provisioner.images.cache import LayerCache

Make = Callable[..., Any]
Save = Callable[..., bytes]
Pieces = Callable[[bytes], Iterator[bytes]]


def files_below(folder: Path) -> list[str]:
    """Return every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_oci_archive_is_kept_by_what_is_in_it(cache: LayerCache, make: Make, oci_save: Save, pieces: Pieces) -> None:
    """Layers, compressed or not, are found again uncompressed under their diff ids."""
    image = make("base", "app", "app")
    assert cache.absorb(pieces(oci_save(image))) == (image.content,)
    assert cache.find(image.content.image_id) == image.content
    assert [b"".join(cache.layer(diff_id)) for diff_id in image.content.diff_ids] == list(image.layers)


def test_a_legacy_archive_is_kept_too(cache: LayerCache, make: Make, legacy_save: Save, pieces: Pieces) -> None:
    """Layer folders and links between them, as older engines write them, give the same image."""
    image = make("base", "app")
    repeated = type(image)(make("base", "base").content, (image.layers[0],) * 2)
    config = json.loads(repeated.content.config)
    config["rootfs"]["diff_ids"] = [image.content.diff_ids[0]] * 2
    repeated = type(image)(
        type(image.content)(json.dumps(config).encode(), image.content.layers[:1] * 2), repeated.layers
    )
    assert cache.absorb(pieces(legacy_save(image))) == (image.content,)
    assert cache.absorb(pieces(legacy_save(repeated))) == (repeated.content,)
    assert cache.find(repeated.content.image_id) == repeated.content


def test_our_own_archives_are_understood(cache: LayerCache, make: Make, pieces: Pieces) -> None:
    """What we send can be read back."""
    image = make("base", "app")
    stream = pack(image.content, ("web:1",), image.content.layers).stream(image.read)
    assert cache.absorb(stream) == (image.content,)


def test_layers_that_are_here_may_be_missing_from_an_archive(cache: LayerCache, make: Make, pieces: Pieces) -> None:
    """A blob named after a layer that is kept already is passed over, whatever it holds."""
    base, image = make("base"), make("base", "app")
    cache.absorb(pack(base.content, (), base.content.layers).stream(base.read))
    stream = b"".join(pack(image.content, (), image.content.layers).stream(image.read))
    assert cache.absorb(pieces(stream.replace(b"base", b"sabe"))) == (image.content,)
    assert b"".join(cache.layer(image.content.diff_ids[0])) == image.layers[0]


def test_an_image_that_is_not_whole_is_not_found(cache: LayerCache, make: Make, legacy_save: Save) -> None:
    """An image of which a layer was removed, or a config changed, is as good as none."""
    image = make("base", "app")
    cache.absorb([legacy_save(image)])
    (cache.folder / "layers" / image.content.diff_ids[1].removeprefix("sha256:")).unlink()
    assert cache.find(image.content.image_id) is None
    assert cache.find("sha256:" + "0" * 64) is None
    cache.absorb([legacy_save(image)])
    assert cache.find(image.content.image_id) == image.content
    cache.forget(image.content)
    assert files_below(cache.folder) == []


def test_a_stream_that_is_cut_anywhere_leaves_nothing(cache: LayerCache, make: Make, legacy_save: Save) -> None:
    """At whatever byte an archive ends before its manifest, it is refused and no file of it stays."""
    whole = legacy_save(make("base", "app"))
    end = whole.index(b"manifest.json")
    for cut in [0, 1, 511, 512, 700, *range(1024, end, 1021), end + 520]:
        with pytest.raises(ArchiveBroken):
            cache.absorb([whole[:cut]])
        assert files_below(cache.folder) == []


def test_a_flipped_byte_is_noticed(cache: LayerCache, make: Make, oci_save: Save) -> None:
    """A layer or config with one other byte is not what its name says, and nothing of the archive is kept."""
    image = make("base " * 400, "app " * 400)
    whole = oci_save(image)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        spots = [member.offset_data + member.size // 2 for member in archive if member.name.startswith("blobs/")]
    for spot in spots:
        broken = bytearray(whole)
        broken[spot] ^= 1
        with pytest.raises(ArchiveBroken):
            cache.absorb([bytes(broken)])
    assert files_below(cache.folder / "images") == []


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100, bytes(4096)])
def test_what_is_no_archive_is_refused(cache: LayerCache, content: bytes) -> None:
    """An empty answer, an error page and zeros are told as a broken archive."""
    with pytest.raises(ArchiveBroken):
        cache.absorb([content])


def test_the_fault_of_a_stream_goes_through(cache: LayerCache) -> None:
    """A connection that breaks is told by whoever lent the stream, and leaves nothing."""

    def stream() -> Iterator[bytes]:
        yield bytes(100)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        cache.absorb(stream())
    assert files_below(cache.folder) == []


def test_what_a_killed_writer_left_is_swept(cache: LayerCache, make: Make, legacy_save: Save) -> None:
    """A folder whose writer is gone is removed by the next one; one that is being written stays."""
    gone = cache.folder / "incoming" / "gone"
    gone.mkdir(parents=True)
    (gone / "half").write_bytes(b"half")
    with cache.workspace() as alive:
        (alive / "mine").write_bytes(b"")
        cache.absorb([legacy_save(make("base"))])
        assert files_below(cache.folder / "incoming") == [f"{alive.name}/mine"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path: Path, make: Make, legacy_save: Save) -> None:
    """Where the cache has no room the error names it, nothing stays, and a smaller image still fits."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(folder)], check=True)
    try:
        cache = LayerCache(folder / "cache")
        with pytest.raises(StorageFailed, match="No space left") as caught:
            cache.absorb([legacy_save(make("x" * 3_000_000))])
        assert "make room" in caught.value.hint
        assert files_below(cache.folder) == []
        image = make("x" * 300_000)
        assert cache.absorb([legacy_save(image)]) == (image.content,)
    finally:
        subprocess.run(["umount", str(folder)], check=True)

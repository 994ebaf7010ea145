"""What every image store keeps to, in memory and on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import docker
import pytest

from provisioner.errors import EngineRefused
from provisioner.hosts.memory import MemoryHosts
from provisioner.images.archive import ImageContent, chain_ids, digest_of, pack
from provisioner.images.cache import LayerCache
from provisioner.images.memory import MemoryImageStore
from provisioner.images.shipping.ladder import compressed
from provisioner.images.shipping.record import record_image
from provisioner.model.inventory import Host
from provisioner.ports import ImageStore
from tests.engine_store import EngineStore

_numbers = count()


@pytest.fixture(
    params=[
        "memory",
        "host in memory",
        pytest.param("engine", marks=pytest.mark.engine),
        pytest.param("host", marks=pytest.mark.lab),
        pytest.param("web2 of kinds", marks=pytest.mark.lab),
        pytest.param("web4 of kinds", marks=pytest.mark.lab),
    ]
)
def store(request: pytest.FixtureRequest) -> Iterator[ImageStore]:
    """Lend a store; what tests load into it they remove by `tag`."""
    match request.param:
        case "memory":
            yield MemoryImageStore()
        case "host in memory":
            host = Host("web1", "192.0.2.1")
            yield MemoryHosts([host]).hands(host).images
        case "engine":
            client = docker.APIClient(version="auto", timeout=60)
            yield EngineStore(client)
            client.close()
        case "host":
            yield request.getfixturevalue("real_hands").images
        case name:
            yield request.getfixturevalue("kinds_hands")(name.split()[0]).images


@pytest.fixture
def tag(store: ImageStore) -> Iterator[str]:
    """A tag of this test alone; `-2` and so on may be appended. All of them are removed."""
    made = f"provisioner/contract-test:{next(_numbers)}"
    yield made
    for name in (made, f"{made}-2", f"{made}-base"):
        store.remove(name)


@pytest.fixture
def image(tag: str) -> tuple[ImageContent, dict[str, bytes]]:
    """An image of two layers, and their bytes by diff id."""
    base, app = (record_image({name: tag.encode()}, {}, "linux/amd64") for name in ("base", "app"))
    config = json.loads(base[0].config)
    config["rootfs"]["diff_ids"] += app[0].diff_ids
    config["history"] *= 2
    config["config"] = {"Cmd": ["/app"], "Env": ["A=1"], "Labels": {"test": tag}}
    layers = {digest_of(layer): layer for _, layer in (base, app)}
    return ImageContent(json.dumps(config).encode(), base[0].layers + app[0].layers), layers


Image = tuple[ImageContent, dict[str, bytes]]


def archive(image: Image, *tags: str, skip: int = 0) -> Iterator[bytes]:
    """Yield an archive of an image without its lowest layers."""
    content, layers = image
    return pack(content, tags, content.layers[skip:]).stream(lambda diff_id: (layers[diff_id],))


def base_of(image: Image) -> Image:
    """Return an image of the lowest layer alone."""
    content, layers = image
    config = json.loads(content.config)
    config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:1]
    config["history"] = config["history"][:1]
    return ImageContent(json.dumps(config).encode(), content.layers[:1]), layers


def refused(attempt: Callable[[], object]) -> bool:
    """Tell whether an engine refuses something."""
    try:
        attempt()
    except EngineRefused:
        return True
    return False


def test_a_loaded_image_is_found_by_tag_and_id(store: ImageStore, image: Image, tag: str) -> None:
    """Id, tags, labels, layers and defaults are those of the config that was sent."""
    store.load(archive(image, tag, f"{tag}-2"))
    found = store.inspect(tag)
    assert found is not None
    assert found.image_id == image[0].image_id
    assert sorted(found.tags) == [tag, f"{tag}-2"]
    assert found.labels == {"test": tag}
    assert found.layers == image[0].diff_ids
    assert (found.defaults.command, dict(found.defaults.environment)) == (("/app",), {"A": "1"})
    assert found.platform == "linux/amd64"
    assert store.inspect(found.image_id) == found


def test_what_is_not_there_is_none(store: ImageStore, tag: str) -> None:
    """Neither a tag nor an id that nobody has is an error."""
    assert store.inspect(tag) is None
    assert store.inspect("sha256:" + "0" * 64) is None


def test_every_chain_of_a_loaded_image_is_told(store: ImageStore, image: Image, tag: str) -> None:
    """After a load the engine names the chain of every layer, and none of them before."""
    chains = set(chain_ids(image[0].diff_ids))
    assert not chains & store.chains()
    store.load(archive(image, tag))
    assert chains <= store.chains()


def test_a_layer_that_is_there_may_be_missing(store: ImageStore, image: Image, tag: str) -> None:
    """An archive without the base gives the same image where the base is."""
    store.load(archive(base_of(image), f"{tag}-base"))
    store.load(archive(image, tag, skip=1))
    found = store.inspect(tag)
    assert found is not None
    assert (found.image_id, found.layers) == (image[0].image_id, image[0].diff_ids)


def test_no_image_comes_of_an_archive_without_its_base(store: ImageStore, image: Image, tag: str) -> None:
    """Where the base is missing the load is refused, and there is no such image.

    A containerd store keeps the tag, on something that is no image's id and has no layers; a whole archive mends it.
    """
    assert refused(lambda: store.load(archive(image, tag, skip=1)))
    left = store.inspect(tag)
    assert left is None or (left.image_id != image[0].image_id and left.layers == ())
    assert store.inspect(image[0].image_id) is None
    assert not set(chain_ids(image[0].diff_ids)) & store.chains()
    store.load(archive(image, tag))
    found = store.inspect(tag)
    assert found is not None
    assert (found.image_id, found.layers) == (image[0].image_id, image[0].diff_ids)


def test_no_tag_comes_of_a_stream_that_is_cut(store: ImageStore, image: Image, tag: str) -> None:
    """Wherever the stream ends before its last document, there is no such image afterwards."""
    whole = b"".join(archive(image, tag))
    for cut in (700, whole.index(b"oci-layout"), whole.index(b"manifest.json") + 600):
        assert refused(partial(store.load, [whole[:cut]])), cut
        assert store.inspect(tag) is None


def test_a_saved_image_is_the_one_that_was_loaded(
    store: ImageStore, image: Image, tag: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Config and layers come back byte for byte."""
    store.load(archive(image, tag))
    cache = LayerCache(tmp_path_factory.mktemp("cache"))
    assert cache.absorb(store.save(tag)) == (image[0],)
    assert {diff_id: b"".join(cache.layer(diff_id)) for diff_id in image[0].diff_ids} == image[1]


def test_saving_what_is_not_there_is_refused(store: ImageStore, tag: str) -> None:
    """An image that nobody has cannot be saved."""
    assert refused(lambda: list(store.save(tag)))


def test_an_image_goes_with_its_last_tag(store: ImageStore, image: Image, tag: str) -> None:
    """Removing one of two tags leaves the image; removing the other removes it; removing again does no harm."""
    store.load(archive(image, tag, f"{tag}-2"))
    store.remove(tag)
    assert store.inspect(tag) is None
    assert store.inspect(image[0].image_id) is not None
    for _ in range(2):
        store.remove(f"{tag}-2")
        assert store.inspect(image[0].image_id) is None


def test_a_tag_moves_to_the_image_loaded_last(store: ImageStore, image: Image, tag: str) -> None:
    """Loading another image under a tag takes the tag from the first."""
    store.load(archive(base_of(image), tag, f"{tag}-base"))
    store.load(archive(image, tag))
    found, base = store.inspect(tag), store.inspect(f"{tag}-base")
    assert found is not None
    assert base is not None
    assert found.image_id == image[0].image_id
    assert base.tags == (f"{tag}-base",)


def test_a_tag_given_to_an_image_is_taken_from_another(store: ImageStore, image: Image, tag: str) -> None:
    """A tag names the image it was given to last, whatever it named before; an image may have several."""
    store.load(archive(base_of(image), tag, f"{tag}-base"))
    store.load(archive(image, f"{tag}-2"))
    store.tag(f"{tag}-2", tag)
    found, base = store.inspect(tag), store.inspect(f"{tag}-base")
    assert found is not None
    assert base is not None
    assert found.image_id == image[0].image_id
    assert sorted(found.tags) == [tag, f"{tag}-2"]
    assert base.tags == (f"{tag}-base",)


def test_tagging_what_is_not_there_is_refused(store: ImageStore, tag: str) -> None:
    """An image that nobody has gets no tag."""
    assert refused(lambda: store.tag("sha256:" + "0" * 64, tag))


def test_a_repository_tells_the_layers_of_its_images(store: ImageStore, image: Image, tag: str) -> None:
    """Each image with a tag in a repository is told once; another repository has none of them."""
    store.load(archive(image, tag, f"{tag}-2"))
    repository = tag.rpartition(":")[0]
    assert image[0].diff_ids in store.stacks(repository)
    assert store.stacks(f"{repository}-other") == ()


def test_an_archive_may_come_as_gzip(store: ImageStore, image: Image, tag: str) -> None:
    """What is compressed on its way is loaded as well."""
    store.load(compressed(archive(image, tag)))
    found = store.inspect(tag)
    assert found is not None
    assert found.image_id == image[0].image_id


def test_a_store_names_its_host(store: ImageStore) -> None:
    """What is said about a store can say where it is."""
    assert store.host

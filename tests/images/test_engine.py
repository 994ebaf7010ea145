"""Building, saving and shipping on a real engine."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import docker
import pytest

from provisioner.errors import BuildFailed, EngineUnavailable, ImageMissing, ShippingFailed
from provisioner.images.archive import chain_ids
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.cache import LayerCache
from provisioner.images.engine import EngineImages, config_digest
from provisioner.images.memory import receiver
from provisioner.images.shipping.ship import CacheShipper
from provisioner.model.image import BuildInputs, ContextFile, ImageFacts, RenderedFile
from provisioner.model.spec import ImageBase, SuiteBase
from tests.engine_store import EngineStore

pytestmark = pytest.mark.engine

_numbers = count()


@pytest.fixture
def client() -> Iterator[docker.APIClient]:
    """The engine of this machine."""
    made = docker.APIClient(version="auto", timeout=60)
    yield made
    made.close()


@pytest.fixture
def name(client: docker.APIClient) -> Iterator[str]:
    """A repository of this test alone, removed with all its tags."""
    repository = f"provisioner/test-images-{next(_numbers)}"
    yield repository
    forget(client, *(tag for image in client.images(repository) for tag in image["RepoTags"] or ()))


@pytest.fixture
def builder(client: docker.APIClient, tmp_path: Path) -> EngineBuilder:
    """A builder on the engine of this machine."""
    settings = BuildSettings(cache=tmp_path / "roots", files={"ca.pem": b"certificate"})
    return EngineBuilder(client, "this machine", settings)


def written(folder: Path, name: str, text: str) -> ContextFile:
    """Write a file and return it as an entry of a context."""
    path = folder / name
    path.write_text(text)
    return ContextFile(name, str(path), 0o644, len(text), hashlib.sha256(text.encode()).hexdigest())


def silent(_text: str, _done: int, _total: int) -> None:
    """Hear nothing."""


@pytest.fixture
def base(builder: EngineBuilder, name: str, tmp_path: Path) -> ImageFacts:
    """A base of one layer."""
    big = written(tmp_path, "big", f"{name}\n" * 100_000)
    return builder.build(
        BuildInputs("base", f"{name}:base", "FROM scratch\nCOPY big /big\n", None, (big,)), silent
    ).facts


@pytest.fixture
def app(builder: EngineBuilder, base: ImageFacts, name: str, tmp_path: Path) -> ImageFacts:
    """An image upon the base."""
    app = written(tmp_path, "app", f"app of {name}")
    copies = ("COPY app /app", "COPY provisioner-files/ /", "COPY provisioner-build /s", 'CMD ["/app"]')
    dockerfile = "\n".join(["FROM provisioner.invalid/base", *copies])
    files = (RenderedFile("/etc/app.toml", "x = 1\n"),)
    inputs = BuildInputs("web", f"{name}:app", dockerfile, ImageBase(f"{name}:base"), (app,), files, "linux/amd64")
    return builder.build(inputs, silent).facts


def forget(client: docker.APIClient, *tags: str) -> None:
    """Remove images from the engine, and the steps that led to them, so that it can receive them."""
    store = EngineStore(client)
    last = {found.layers[-1] for tag in tags if (found := store.inspect(tag)) and found.layers}
    for tag in tags:
        client.remove_image(tag, force=True)
    # Others build on this engine too: only what stands on these images is removed.
    for image in store.stages():
        if last.intersection(image.layers):
            client.remove_image(image.image_id)


def test_an_image_is_built_on_its_base_with_context_and_files(
    app: ImageFacts, base: ImageFacts, name: str, client: docker.APIClient, cache: LayerCache
) -> None:
    """The image has the base's layers below its own, its tag, our label, and everything that was sent."""
    assert app.tags == (f"{name}:app",)
    assert app.layers[:1] == base.layers
    assert app.labels == {"provisioner.kind": "node"}
    assert app.defaults.command == ("/app",)
    (kept,) = cache.absorb(EngineImages(client, "this machine").save(f"{name}:app"))
    assert kept.image_id == app.image_id
    content = b"".join(b"".join(cache.layer(diff_id)) for diff_id in kept.diff_ids[1:])
    assert all(text in content for text in (b"app of", b"x = 1", b"s/ca.pem", b"etc/app.toml"))


def test_building_again_gives_the_same_image(
    builder: EngineBuilder, base: ImageFacts, name: str, tmp_path: Path
) -> None:
    """Unchanged inputs, though touched and read anew, are found in the engine's build cache."""
    del base
    inputs = BuildInputs("web", f"{name}:1", "FROM scratch\nCOPY a /\n", None, (written(tmp_path, "a", name),))
    first = builder.build(inputs, silent).facts
    written(tmp_path, "a", name)
    assert builder.build(replace(inputs, tag=f"{name}:2"), silent).facts.image_id == first.image_id


def test_a_build_is_explained_afterwards(builder: EngineBuilder, app: ImageFacts, base: ImageFacts, name: str) -> None:
    """What an image is made of and what was left out is known while the engine has it; of a stranger, nothing."""
    made = builder.made(f"{name}:app")
    assert made is not None
    assert made.facts == app
    assert tuple(layer.diff_id for layer in made.explanation.layers) == app.layers
    assert [layer.section for layer in made.explanation.layers] == ["base", "app", "config"]
    assert builder.made(f"{name}:none") is None


def test_a_check_names_what_two_builds_differ_in(
    client: docker.APIClient, builder: EngineBuilder, base: ImageFacts, name: str, tmp_path: Path
) -> None:
    """Two builds without the engine's cache; equal ones differ in nothing, and no tag is left of either."""
    steady = BuildInputs(
        "web", f"{name}:check", "FROM provisioner.invalid/base\nCOPY a /a\n", ImageBase(f"{name}:base")
    )
    steady = replace(steady, context=(written(tmp_path, "a", "same"),))
    assert builder.check(steady, silent) == ()
    assert builder.find(f"{name}:check") is None
    raw = [EngineStore(client).inspect(image["Id"]) for image in client.images("provisioner/build")]
    assert not [image for image in raw if image and image.layers[:1] == base.layers]


def test_an_image_that_the_dockerfile_names_itself_stays_as_it_is(
    builder: EngineBuilder, base: ImageFacts, name: str, tmp_path: Path
) -> None:
    """Its layers lie below ours byte for byte, as those of a base of the spec do."""
    dockerfile = f"FROM {name}:base AS one\nFROM one\nCOPY a /a\n"
    inputs = BuildInputs("web", f"{name}:own", dockerfile, None, (written(tmp_path, "a", name),))
    made = builder.build(inputs, silent)
    assert made.facts.layers[:-1] == base.layers
    assert [layer.section for layer in made.explanation.layers] == ["base", "app"]


def test_a_failed_build_names_its_instruction(builder: EngineBuilder, base: ImageFacts, name: str) -> None:
    """The instruction, the engine's reason and no image are what is left of a build that fails."""
    del base
    dockerfile = "FROM provisioner.invalid/base\nCOPY big /a\nCOPY missing /b\n"
    with pytest.raises(BuildFailed) as caught:
        builder.build(BuildInputs("web", f"{name}:bad", dockerfile, ImageBase(f"{name}:base")), silent)
    assert caught.value.instruction == "COPY big /a"
    assert "big" in caught.value.reason
    assert builder.find(f"{name}:bad") is None


def test_a_dockerfile_that_is_none_is_told_with_its_line(builder: EngineBuilder, name: str) -> None:
    """What the engine cannot parse it refuses before it starts; its answer names the line."""
    with pytest.raises(BuildFailed, match="line 2"):
        builder.build(BuildInputs("web", f"{name}:bad", "FROM scratch\nFOO bar\n", None), silent)


def test_a_file_that_changes_meanwhile_ends_the_build(builder: EngineBuilder, name: str, tmp_path: Path) -> None:
    """The engine gets no whole context, and so no image comes of it."""
    entry = written(tmp_path, "a", "before")
    (tmp_path / "a").write_text("behind")
    with pytest.raises(BuildFailed, match="changed while"):
        builder.build(BuildInputs("web", f"{name}:bad", "FROM scratch\nCOPY a /\n", None, (entry,)), silent)
    assert builder.find(f"{name}:bad") is None


def test_what_a_build_leaves_unnamed_can_be_found(
    client: docker.APIClient, builder: EngineBuilder, base: ImageFacts, name: str
) -> None:
    """Stages and half-built images carry a label, by which they can be removed."""
    del base
    dockerfile = f"FROM provisioner.invalid/base AS one\nENV name={name}\nFROM provisioner.invalid/base\nENV a=b\n"
    builder.build(BuildInputs("web", f"{name}:1", dockerfile, ImageBase(f"{name}:base")), silent)
    assert name in [image.defaults.environment.get("name") for image in EngineStore(client).stages()]


def test_an_image_nobody_has_is_missing(builder: EngineBuilder, name: str) -> None:
    """What no registry gives is told with the registry's answer and what to do."""
    with pytest.raises(ImageMissing, match=r"127\.0\.0\.1:9") as caught:
        builder.pull(f"127.0.0.1:9/{name}:1", silent)
    assert "docker load" in caught.value.hint
    with pytest.raises(ImageMissing):
        builder.build(BuildInputs("web", f"{name}:1", "FROM x", ImageBase(f"127.0.0.1:9/{name}")), silent)


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No engine behind its address is an error of that host."""
    gone = docker.APIClient(base_url="tcp://127.0.0.1:9", version="1.41")
    builder = EngineBuilder(gone, "web1", BuildSettings(tmp_path))
    with pytest.raises(EngineUnavailable, match="web1"):
        builder.find("x")
    with pytest.raises(EngineUnavailable, match="web1"):
        builder.build(BuildInputs("web", "x:1", "FROM scratch\n", None), silent)


def test_a_suite_with_packages_is_made_once(client: docker.APIClient, name: str, pytestconfig: pytest.Config) -> None:
    """Packages become one layer on the bootstrapped root, without lists or caches, and are not installed again."""
    settings = BuildSettings(cache=pytestconfig.rootpath / ".provisioner" / "cache")
    builder = EngineBuilder(client, "this machine", settings)
    dockerfile = "FROM provisioner.invalid/base\nRUN test -x /usr/bin/tini && test ! -e /usr/sbin/policy-rc.d\n"
    dockerfile += 'RUN test -z "$(ls -A /var/lib/apt/lists; ls -A /var/cache/apt)"\n'
    inputs = BuildInputs("web", f"{name}:1", dockerfile, SuiteBase("bookworm", ("tini",)))
    first = builder.build(inputs, silent)
    said: list[str] = []
    second = builder.build(replace(inputs, tag=f"{name}:2"), lambda text, *_: said.append(text))
    assert second.facts.image_id == first.facts.image_id
    assert not [line for line in said if "apt-get" in line]
    forget(client, f"{name}:1", f"{name}:2", said[0].rpartition(" ")[2])


def test_what_is_saved_and_sent_back_has_the_same_id(
    client: docker.APIClient, app: ImageFacts, name: str, cache: LayerCache
) -> None:
    """An engine that lost the image, but has its base, gets the upper layers only and names it as before."""
    target = EngineStore(client)
    ships = CacheShipper(cache, lambda: [EngineImages(client, "this machine")])
    assert ships.ship(app.image_id, (f"{name}:app",), receiver(target), silent) == 0
    ships.ship(app.image_id, (f"{name}:again",), receiver(target), silent)
    forget(client, f"{name}:app", f"{name}:again")
    assert target.inspect(app.image_id) is None
    sent = ships.ship(app.image_id, (f"{name}:app",), receiver(target), silent)
    assert sent < 30_000
    assert target.inspect(f"{name}:app") == app


def test_an_engine_without_the_base_gets_everything(
    client: docker.APIClient, app: ImageFacts, name: str, cache: LayerCache
) -> None:
    """Where the base went away after it was asked for, the partial archive is refused and all layers are sent."""
    target = EngineStore(client)
    ships = CacheShipper(cache, lambda: [EngineImages(client, "this machine")])
    ships.ship(app.image_id, (f"{name}:again",), receiver(target), silent)
    forget(client, f"{name}:app", f"{name}:again", f"{name}:base")
    target.pretended = frozenset(chain_ids(app.layers)[:1])
    said: list[str] = []
    ships.ship(app.image_id, (f"{name}:app",), receiver(target), lambda text, *_: said.append(text))
    assert said[-1] == "sending every layer"
    found = target.inspect(f"{name}:app")
    assert found is not None
    assert (found.image_id, found.layers) == (app.image_id, app.layers)


def test_a_record_can_be_read_back(client: docker.APIClient, name: str, cache: LayerCache) -> None:
    """A release image has the id we computed, its labels in the list, and its files byte for byte."""
    target = EngineStore(client)
    files = {"release.json": b'{"a":1}', "files/x/haproxy.cfg": b"global\n"}
    image_id = CacheShipper(cache, list).record(files, {"provisioner.kind": "release"}, f"{name}:r1", target)
    listed = client.images(name, filters={"label": ["provisioner.kind=release"]})
    assert [image["Id"] for image in listed] == [image_id]
    assert config_digest(target.save(f"{name}:r1")) == image_id
    (kept,) = cache.absorb(target.save(f"{name}:r1"))
    assert all(content in b"".join(cache.layer(kept.diff_ids[0])) for content in files.values())


def test_an_archive_with_a_flipped_byte_is_refused(
    client: docker.APIClient, app: ImageFacts, name: str, cache: LayerCache
) -> None:
    """A receiver that gets other bytes than were sent has no image afterwards, and the error says so."""
    ships = CacheShipper(cache, lambda: [EngineImages(client, "this machine")])
    ships.ship(app.image_id, (f"{name}:again",), receiver(EngineStore(client)), silent)
    forget(client, f"{name}:app", f"{name}:again", f"{name}:base")

    class Noisy(EngineStore):
        """A line that flips one byte of the big layer."""

        def load(self, archive: Iterable[bytes]) -> None:
            """Load what arrives."""
            plain = gzip.decompress(b"".join(archive))
            super().load([plain.replace(b"test-images", b"TEST-images", 1)])

    with pytest.raises(ShippingFailed, match="receiver"):
        ships.ship(app.image_id, (f"{name}:app",), receiver(Noisy(client)), silent)
    assert EngineStore(client).inspect(f"{name}:app") is None

"""Images through a registry: a real one, with a password, on loopback; and what happens when it does not work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from provisioner.errors import EngineRefused
from provisioner.images.archive import pack
from provisioner.images.cache import LayerCache
from provisioner.images.engine import EngineImages
from provisioner.images.memory import MemoryImageStore, receiver
from provisioner.images.registry.account import Account
from provisioner.images.registry.pushes import EnginePushes, read_digest
from provisioner.images.registry.registry_shipper import RegistryShipper
from provisioner.images.shipping.record import record_image
from provisioner.images.shipping.ship import CacheShipper
from provisioner.model.secret import Login, Secret
from provisioner.ports import Progress
from tests.engine_store import EngineStore
from tests.images.conftest import MadeImage
from tests.registry_server import registry_server

PASSWORD = "open-sesame-4711"
TAG = "provisioner/shop/web:1"


@dataclass
class Heard:
    """What a progress was told."""

    texts: list[str] = field(default_factory=list)

    def __call__(self, text: str, done: int, total: int) -> None:
        """Note it."""
        self.texts.append(text)


@dataclass
class MemoryPushes:
    """Pushes into a dictionary; a `refusal` is answered to every push."""

    registry: dict[str, bytes]
    image: MadeImage
    refusal: str = ""
    pushed: list[tuple[str, str]] = field(default_factory=list)

    def push(self, image_id: str, name: str, login: Login | None, progress: Progress) -> str:
        """Have an image in the registry."""
        self.pushed.append((name, login.username if login else ""))
        if self.refusal:
            raise EngineRefused("builder", self.refusal)
        reference = f"{name.rpartition(':')[0]}@{image_id}"
        content = self.image.content
        self.registry[reference] = b"".join(pack(content, (), content.layers).stream(self.image.read))
        return reference


def shipper(image: MadeImage, pushes: MemoryPushes, folder: Path) -> RegistryShipper:
    """Return a shipper through a registry whose way over SSH works."""
    builder = MemoryImageStore("builder")
    builder.load(pack(image.content, (TAG,), image.content.layers).stream(image.read))
    over_ssh = CacheShipper(LayerCache(folder), lambda: [builder])
    return RegistryShipper(over_ssh, pushes, Account("registry:5000/team", "deploy", lambda: Secret(PASSWORD)))


def test_an_image_is_pushed_once_and_pulled_by_every_host(make: Callable[..., MadeImage], tmp_path: Path) -> None:
    """Hosts pull by digest, tag what proves to be the image, and keep no name of the registry."""
    image = make("base", "app")
    pushes = MemoryPushes({}, image)
    ships, heard = shipper(image, pushes, tmp_path), Heard()
    hosts = [MemoryImageStore(name, registry=pushes.registry) for name in ("web1", "web2")]
    assert all(ships.ship(image.content.image_id, (TAG,), receiver(host), heard) for host in hosts)
    digits = image.content.image_id.removeprefix("sha256:")[:16]
    assert pushes.pushed == [(f"registry:5000/team/provisioner/shop/web:{digits}", "deploy")]
    assert [host.tags for host in hosts] == [{TAG: image.content.image_id}] * 2
    assert ships.ship(image.content.image_id, (TAG,), receiver(hosts[0]), heard) == 0
    assert not any(PASSWORD in text for text in heard.texts)


@pytest.mark.parametrize("refusal", ["", "unauthorized: authentication required"])
def test_what_a_registry_refuses_goes_over_ssh(make: Callable[..., MadeImage], tmp_path: Path, refusal: str) -> None:
    """Whether it does not take the image or does not give it, the host has it in the end, and is told why how."""
    image = make("base", "app")
    pushes = MemoryPushes({}, image, refusal)
    ships, heard = shipper(image, pushes, tmp_path), Heard()
    hosts = [MemoryImageStore(name) for name in ("web1", "web2")]
    for host in hosts:
        ships.ship(image.content.image_id, (TAG,), receiver(host), heard)
        assert host.tags == {TAG: image.content.image_id}
    assert len(pushes.pushed) == 1
    assert sum("over SSH instead" in text for text in heard.texts) == 2


def test_another_image_under_the_digest_is_not_tagged(make: Callable[..., MadeImage], tmp_path: Path) -> None:
    """A registry that gives something else is not believed, and leaves no name behind."""
    image, other = make("base", "app"), make("other")
    pushes = MemoryPushes({}, other)
    heard, host = Heard(), MemoryImageStore("web1", registry=pushes.registry)
    shipper(image, pushes, tmp_path).ship(image.content.image_id, (TAG,), receiver(host), heard)
    assert host.tags == {TAG: image.content.image_id}
    assert any(f"is {other.content.image_id} there; it goes over SSH" in text for text in heard.texts)


@pytest.mark.parametrize(
    "answer",
    [{"aux": {"Tag": "1", "Digest": "sha256:" + "a" * 64}}, {"status": f"1: digest: sha256:{'a' * 64} size: 1"}],
)
def test_a_push_tells_the_digest_in_one_of_two_ways(answer: dict[str, object]) -> None:
    """Engines answer with it as data, as text, or both."""
    assert list(read_digest(answer)) == ["sha256:" + "a" * 64]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Lend the address of a real registry that lets `deploy` in."""
    with registry_server(tmp_path, "deploy", PASSWORD) as server:
        yield server


@pytest.mark.engine
def test_a_real_registry_takes_and_gives_an_image_by_digest(registry: str, tmp_path: Path) -> None:
    """Pushed with the password, gone from the engine, pulled again: the same image id, and no login on any disk."""
    image, layer = record_image({"a": b"registry"}, {}, "linux/amd64")
    made = MadeImage(image, (layer,))
    with docker.APIClient(version="auto", timeout=60) as client:
        engine, heard = EngineStore(client), Heard()
        builder = MemoryImageStore("builder")
        builder.load(pack(image, (TAG,), image.layers).stream(made.read))
        engine.load(pack(image, ("provisioner/registry-test:1",), image.layers).stream(made.read))
        pushes = EnginePushes(client, EngineImages(client, "builder"))
        account = Account(registry, "deploy", lambda: Secret(PASSWORD))
        reference = pushes.push(image.image_id, f"{registry}/provisioner/registry-test:x", account.login(), heard)
        engine.remove("provisioner/registry-test:1")
        assert engine.inspect(image.image_id) is None
        assert engine.pull(reference, account.login(), heard) == 1
        found = engine.inspect(reference)
        assert found is not None
        assert found.image_id == image.image_id
        engine.remove(reference)
        for wrong in (None, Login(registry, "deploy", Secret("wrong"))):
            with pytest.raises(EngineRefused):
                engine.pull(reference, wrong, heard)
    assert not any(PASSWORD in text for text in heard.texts)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]

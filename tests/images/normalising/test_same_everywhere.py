"""The same inputs, built by different builders at different times on a real engine."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest

from provisioner.images.archive import ImageContent
from provisioner.images.bases.roots import suite_base
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.images.build_context import DOCKERFILE, context_archive
from provisioner.images.cache import LayerCache
from provisioner.images.normalising.normalise import Normalised
from provisioner.images.normalising.normalised_build import NormalisedBuild
from provisioner.images.raw_build import RawBuilds, Recipe, with_base
from provisioner.model.image import BuildInputs, ContextFile, ImageFacts, RenderedFile
from provisioner.model.spec import ImageBase, SuiteBase
from tests.engine_store import EngineStore

pytestmark = pytest.mark.engine

INSTRUCTIONS = r"""
FROM provisioner.invalid/base AS stage
COPY app /stage/app
RUN ln /stage/app /stage/same && chown -R 10001:10001 /stage

FROM provisioner.invalid/base
ENV COLOUR=blue PATH=/opt/venv/bin:$PATH
COPY --from=stage /stage /app
WORKDIR /srv/work
RUN useradd --system --uid 10001 app && date > /var/log/build.log && date > /tmp/left && mkdir -p /run/app \
 && rm -rf /usr/share/bug && mkdir /usr/share/bug && date +%s > /run/app/pid && echo kept > /usr/share/bug/kept \
 && rm /etc/issue && chmod 0700 /etc/skel && mkdir -m 0750 /var/lib/app && chown 10001 /var/lib/app \
 && ln -s /dev/stdout /var/log/app.log && touch /etc/debian_version && ln /etc/skel/.profile /opt/profile
RUN printf 'a\rr\n' > /dev/null; mkdir -p /app/__pycache__ && echo 'x = 1' > /app/x.py \
 && printf '\247\r\r\n\0\0\0\0' > /app/__pycache__/x.cpython-311.pyc \
 && head -c 4 /dev/urandom >> /app/__pycache__/x.cpython-311.pyc \
 && printf '\006\0\0\0rest' >> /app/__pycache__/x.cpython-311.pyc
COPY provisioner-files/etc/app.toml /etc/
VOLUME /data
EXPOSE 8000
USER app
HEALTHCHECK --interval=5s CMD ["true"]
STOPSIGNAL SIGINT
CMD exec /app/app
"""


class BuildKitBuilds(RawBuilds):
    """The other builder of an engine, spoken to as its own command line does for a context that is a tar."""

    def _answers(self, inputs: BuildInputs, recipe: Recipe, tag: str) -> Iterator[Mapping[str, Any]]:
        number, asked = secrets.token_hex(8), self._client
        context = b"".join(context_archive(inputs, recipe.dockerfile, {}))
        labels = json.dumps({"provisioner.kind": "build"})
        question = {"version": "2", "remote": "upload-request", "buildid": number, "t": tag, "labels": labels}
        question |= {"dockerfile": DOCKERFILE, "networkmode": "host", "nocache": "1"}
        upload = {"version": "2", "buildid": f"upload-request:{number}"}
        call: Any = asked
        with ThreadPoolExecutor(1) as pool:
            headers = {"Content-Type": "application/x-tar"}
            sent = pool.submit(call._post, call._url("/build"), params=upload, data=context, headers=headers)
            answer = call._post(call._url("/build"), params=question, stream=True)
            answer.raise_for_status()
            for line in answer.iter_lines():
                said = json.loads(line)
                yield said if "error" in said else {}
            sent.result().raise_for_status()


@pytest.fixture(scope="module")
def client() -> Iterator[docker.APIClient]:
    """The engine of this machine."""
    made = docker.APIClient(version="auto", timeout=120)
    yield made
    made.close()


@pytest.fixture(scope="module")
def base(client: docker.APIClient, pytestconfig: pytest.Config) -> ImageFacts:
    """A Debian root."""
    tag = suite_base(client, "bookworm", cache=pytestconfig.rootpath / ".provisioner" / "cache")
    found = EngineStore(client).inspect(tag)
    assert found is not None
    return found


@pytest.fixture
def inputs(tmp_path: Path) -> BuildInputs:
    """What is built: an app, a rendered file."""
    text = "#!/bin/sh\nsleep 1\n"
    (tmp_path / "app").write_text(text)
    app = ContextFile("app", str(tmp_path / "app"), 0o755, len(text), hashlib.sha256(text.encode()).hexdigest())
    files = (RenderedFile("/etc/app.toml", "x = 1\n"),)
    return BuildInputs("web", "provisioner/test-same:1", INSTRUCTIONS, SuiteBase("bookworm"), (app,), files)


def made(client: docker.APIClient, raw: RawBuilds, inputs: BuildInputs, base: ImageFacts, cache: Path) -> Normalised:
    """Build and normalise, without the engine's cache."""
    dockerfile = with_base(inputs.dockerfile, base.tags[0])
    recipe = Recipe(dockerfile, base.layers, {"provisioner.kind": "node"}, fresh=True)
    build = NormalisedBuild(client, "this machine", raw, LayerCache(cache))
    return build.make(inputs, recipe, lambda *_: None, LayerCache(cache))


def test_every_builder_makes_one_image(
    client: docker.APIClient, base: ImageFacts, inputs: BuildInputs, tmp_path: Path
) -> None:
    """The classic builder, the same again after the context was touched, and BuildKit end with one image id."""
    classic = RawBuilds(client, "this machine", {}, {})
    first = made(client, classic, inputs, base, tmp_path / "1")
    os.utime(tmp_path / "app", (1, 1))
    again = made(client, classic, inputs, base, tmp_path / "2")
    other = made(client, BuildKitBuilds(client, "this machine", {}, {}), inputs, base, tmp_path / "3")
    assert told(again.content) == told(first.content)
    assert told(other.content) == told(first.content)
    assert {each.content.image_id for each in (first, again, other)} == {first.content.image_id}
    assert [layer.section for layer in first.explanation.layers] == ["base", "packages", "app", "config"]
    dropped = {path for each in first.explanation.dropped for path in each.paths}
    assert {"var/log/build.log", "tmp/left", "run/app/pid", "etc/passwd-"} <= dropped
    rewritten = {path for each in first.explanation.rewritten for path in each.paths}
    assert rewritten == {"app/__pycache__/x.cpython-311.pyc", "etc/shadow"}


def test_what_two_builds_differ_in_is_named(client: docker.APIClient, base: ImageFacts, tmp_path: Path) -> None:
    """A date in a file and a random mode are named by path; a setting never differs by itself."""
    dockerfile = "FROM provisioner.invalid/base\nRUN date +%N > /opt/built && echo same > /opt/same\n"
    dockerfile += "RUN touch /usr/lib/$(head -c 6 /dev/urandom | od -An -tx1 | tr -d ' ')\n"
    builder = EngineBuilder(client, "this machine", BuildSettings(tmp_path))
    tag = f"provisioner/test-check-{os.getpid()}:1"
    found = builder.check(BuildInputs("web", tag, dockerfile, ImageBase(base.tags[0])), lambda *_: None)
    assert [(each.section, each.path) for each in found if each.how.startswith("content")] == [("app", "/opt/built")]
    assert sorted(each.how for each in found if each.section == "packages") == [
        "only in the first build",
        "only in the second build",
    ]
    assert len(found) == 3
    assert builder.find(tag) is None


def told(image: ImageContent) -> dict[str, Any]:
    """Return a config, so that a difference is seen where it is."""
    config: dict[str, Any] = json.loads(image.config)
    return config

"""A release as bytes and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import ProvisionerError
from provisioner.model.balancer import BalancerConfig
from provisioner.model.container import ContainerOptions
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import Known, RenderedFile, ToBuild, ToFetch
from provisioner.model.observed import HostRoute
from provisioner.model.placement import Node, SlotAddress
from provisioner.model.release import ReleaseContent
from provisioner.model.spec import HealthCheck as Check
from provisioner.spec.release import decode_content, decode_routes, digest, encode_content, encode_routes

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))

NODE = DesiredNode(
    node=Node("web1", "web", 1),
    image=Known("nginx:1.27", "sha256:ab"),
    options=ContainerOptions(environment={"B": "2", "A": "ü\n"}),
    slots=(SlotAddress("a", "10.0.0.1", 8000), SlotAddress("b", "10.0.0.1", 8001)),
    port=80,
    healthcheck=Check(interval=2),
)
CONTENT = ReleaseContent(Desired("shop", (NODE,), (), {"nginx:1.27": "sha256:ab"}), (RenderedFile("/a", "text"),))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=40)
@given(st.from_type(ReleaseContent))
def test_what_is_written_is_read_back(content: ReleaseContent) -> None:
    """Decoding the encoded content of a release gives that content."""
    assert decode_content(encode_content(content)) == content


@given(st.lists(st.from_type(HostRoute)).map(tuple))
def test_routes_are_read_back(routes: tuple[HostRoute, ...]) -> None:
    """How hosts were reached survives in a label."""
    assert decode_routes(encode_routes(routes)) == routes


def test_equal_contents_have_equal_bytes() -> None:
    """The order of a mapping and the spelling of a number do not enter the digest."""
    options = replace(NODE.options, environment={"A": "ü\n", "B": "2"})
    same = replace(NODE, options=options, healthcheck=Check(interval=2.0))
    again = replace(CONTENT, desired=replace(CONTENT.desired, nodes=(same,)))
    assert digest(encode_content(again)) == digest(encode_content(CONTENT))


def test_the_bytes_are_canonical() -> None:
    """Sorted keys, no spaces, UTF-8, and the digest is the sha256 of exactly these bytes."""
    encoded = encode_content(CONTENT)
    canonical = json.dumps(json.loads(encoded), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert encoded == canonical.encode()
    assert "ü".encode() in encoded
    assert len(digest(encoded)) == 64


@pytest.mark.parametrize("image", [Known("a", "b"), ToBuild("a"), ToFetch("a")])
def test_images_keep_their_kind(image: Known | ToBuild | ToFetch) -> None:
    """A known image, one to build and one to fetch are told apart in the bytes."""
    content = replace(CONTENT, desired=replace(CONTENT.desired, nodes=(replace(NODE, image=image),)))
    assert decode_content(encode_content(content)).desired.nodes[0].image == image


def test_a_field_that_came_later_leaves_old_digests_alone() -> None:
    """At its default it is not written, and where it is not written it has its default."""
    config = BalancerConfig("shop", (), "roundrobin", (), ())
    balancer = DesiredBalancer("lb1", "lb", Known("a", "b"), ContainerOptions(), (), config, "", "")
    content = replace(CONTENT, desired=replace(CONTENT.desired, balancers=(balancer,)))
    encoded = encode_content(content)
    assert b'"drain_timeout":30.0,"fleet"' in encoded
    assert b"network" not in encoded.split(b'"config":', 1)[1].split(b"}", 1)[0]
    assert decode_content(encoded) == content
    shared = replace(balancer, config=replace(config, network="host"))
    other = replace(content, desired=replace(content.desired, balancers=(shared,)))
    assert decode_content(encode_content(other)) == other
    assert digest(encode_content(other)) != digest(encoded)


def _changed(old: str, new: str) -> bytes:
    text = encode_content(CONTENT).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (_changed('"fleet":"shop"', '"fleet":"shop","zone":"b"'), "unknown field 'zone' at desired"),
        (_changed('"type":"Known"', '"type":"Lent"'), "unknown type 'Lent' at desired.nodes[0].image"),
        (_changed('"slot":"a"', '"slot":"c"'), "unknown value 'c' at desired.nodes[0].slots[0].slot"),
        (_changed('"fleet":"shop",', ""), "field 'fleet' is missing at desired"),
        (_changed('"index":1', '"index":"1"'), "expected int at desired.nodes[0].node.index"),
        (_changed('"schema":2', '"schema":3'), "another form"),
        (b"{", "not JSON"),
        (b"[]", "another form"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_what_another_version_wrote_is_refused(encoded: bytes, message: str) -> None:
    """Nothing of a release is dropped in silence: an unknown field, kind or value is named with its place."""
    with pytest.raises(ProvisionerError) as caught:
        decode_content(encoded)
    assert message in caught.value.message


def test_a_field_that_came_later_takes_its_default() -> None:
    """A release that an older version wrote is still read."""
    older = _changed('"mode":420,', "")
    assert decode_content(older) == CONTENT


def test_routes_that_are_not_ours_are_refused() -> None:
    """A label with something else in it is an error of ours."""
    with pytest.raises(ProvisionerError, match="host routes"):
        decode_routes('{"a":1}')

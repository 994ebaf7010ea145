"""Laws of normalising, on file systems that nobody thought of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.images.normalising.normalise import Normalised, Rules, normalise
from tests.images.normalising.conftest import spooled
from tests.images.normalising.file_system import FileSystem, Node, Nodes, plain, unpacked

PARTS = st.sampled_from(["a", "etc", "tmp", "usr"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
MODES = st.sampled_from([0o644, 0o755, 0o4755])
NODES = st.one_of(
    st.builds(Node, st.just("folder"), mode=st.sampled_from([0o755, 0o700, 0o1777]), owner=st.sampled_from([0, 10001])),
    st.builds(Node, st.just("file"), st.sampled_from(["", "x", "yy"]), MODES, capability=st.sampled_from(["", "\x01"])),
    st.builds(Node, st.just("link"), PATHS, st.just(0o777)),
)
Step = Callable[[FileSystem], object]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda path, node: lambda system: system.put(path, node), PATHS, NODES),
    st.builds(lambda path, target: lambda system: system.link(path, target), PATHS, PATHS),
    st.builds(lambda path: lambda system: system.remove(path), PATHS),
    st.builds(lambda at, node: lambda system: _on_one_there(system, at, node), st.integers(0, 99), NODES),
    st.builds(
        lambda at, name, node: lambda system: _in_a_folder(system, at, name, node), st.integers(0, 99), PARTS, NODES
    ),
    st.builds(lambda at: lambda system: _anew(system, at), st.integers(0, 99)),
)
LAYERS = st.lists(st.lists(STEPS, max_size=8), min_size=1, max_size=5)
SEED = {
    "a": Node("folder", mode=0o700, owner=10001),
    "a/a": Node("folder", mode=0o755),
    "a/a/a": Node("file", "x"),
    "a/etc": Node("file", "yy", 0o755),
    "usr": Node("folder", mode=0o755),
    "usr/a": Node("link", "a"),
}
"""What is there before anything happens, so that much of it happens to something."""


def _on_one_there(system: FileSystem, at: int, node: Node) -> None:
    """Change or remove something that is there, which paths at random seldom meet."""
    if system.nodes:
        path = sorted(system.nodes)[at % len(system.nodes)]
        _ = system.put(path, node) if at % 3 else system.remove(path)


def _in_a_folder(system: FileSystem, at: int, name: str, node: Node) -> None:
    """Put something into a folder that is there."""
    if folder := _folder(system, at):
        system.put(f"{folder}/{name}", node)


def _anew(system: FileSystem, at: int) -> None:
    """Remove a folder that is there, and make it again empty."""
    if folder := _folder(system, at):
        system.remove(folder)
        system.put(folder, Node("folder", mode=0o755))


def _folder(system: FileSystem, at: int) -> str:
    folders = sorted(path for path, node in system.nodes.items() if node.kind == "folder")
    return folders[at % len(folders)] if folders else ""


def _seeded() -> FileSystem:
    system = FileSystem()
    for path, node in SEED.items():
        system.put(path, node)
    return system


def _carried_out(layers: list[list[Step]]) -> tuple[list[bytes], list[Nodes]]:
    """Return the tar of each layer, and what is there after it."""
    system, tars, trees = _seeded(), list[bytes](), list[Nodes]()
    for steps in layers:
        tars.append(_layer(system, steps))
        trees.append(plain(system.nodes))
    return tars, trees


def _expected(base: Nodes, final: Nodes, made: Normalised) -> Nodes:
    """Return what should be there: everything, and of dropped paths what the base has."""
    dropped = {path for each in made.explanation.dropped for path in each.paths}
    kept = {path: node for path, node in final.items() if path not in dropped}
    return kept | {path: base[path] for path in dropped if path in base and _has_folder(path, kept)}


def _has_folder(path: str, nodes: Nodes) -> bool:
    folder = path.rpartition("/")[0]
    return not folder or (folder in nodes and nodes[folder].kind == "folder")


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(LAYERS, st.integers(0, 5))
def test_base_and_new_layers_give_the_built_tree(layers: list[list[Step]], at: int) -> None:
    """An engine that unpacks the base and the written layers shows what was built, less what was dropped."""
    tars, trees = _carried_out(layers)
    count = min(at, len(tars))
    with tempfile.TemporaryDirectory() as folder:
        raw = spooled(Path(folder), *tars)
        assert unpacked(list(raw.layers)) == trees[-1], "the test's own model is wrong"
        made = normalise(raw, count, Rules())
        shown = unpacked([made.layers[diff_id] for diff_id in made.content.diff_ids])
    base = trees[count - 1] if count else {}
    assert shown == _expected(base, trees[-1], made)


@settings(deadline=None, max_examples=60)
@given(LAYERS, LAYERS)
def test_only_the_result_counts(first: list[list[Step]], rest: list[list[Step]]) -> None:
    """The same file system gives the same image id, whether a builder made one layer on the base of it or many."""
    system = _seeded()
    base = [_layer(system, steps) for steps in first]
    together = FileSystem(dict(system.nodes), dict(system.nodes), inodes=system.inodes)
    many = [_layer(system, steps) for steps in rest]
    together.become(system)
    with tempfile.TemporaryDirectory() as folder:
        one = normalise(spooled(Path(folder) / "1", *base, *many), len(base), Rules())
        other = normalise(spooled(Path(folder) / "2", *base, together.layer()), len(base), Rules())
    assert one.content.image_id == other.content.image_id


def _layer(system: FileSystem, steps: list[Step]) -> bytes:
    for step in steps:
        step(system)
    return system.layer()


@settings(deadline=None, max_examples=40)
@given(LAYERS)
def test_nothing_new_gives_no_layer(layers: list[list[Step]]) -> None:
    """Everything touched again, and nothing changed by it, is the base and nothing else."""
    system = _seeded()
    for steps in layers:
        for step in steps:
            step(system)
    once = system.layer()
    system.touched = set(system.nodes)
    with tempfile.TemporaryDirectory() as folder:
        made = normalise(spooled(Path(folder), once, system.layer()), 1, Rules())
    assert [each.section for each in made.explanation.layers] == ["base"]

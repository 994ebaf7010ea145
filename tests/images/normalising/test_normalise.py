"""What comes out of normalising, case by case."""

from __future__ import annotations

import json
import struct
import tarfile
from pathlib import Path

import pytest

from provisioner.errors import ArchiveBroken
from provisioner.images.bases.debian_root import EPOCH
from provisioner.images.normalising.normalise import Normalised, Rules, normalise
from tests.images.normalising.conftest import Spool
from tests.images.normalising.file_system import CAPABILITY, FileSystem, Node

FOLDER = Node("folder", mode=0o755)
SOURCE_TIME = 1_600_000_000


def based(**nodes: Node) -> FileSystem:
    """Return a file system with usual folders and these files in it, as the base of an image."""
    system = FileSystem()
    for path in ("app", "etc", "opt", "usr", "usr/lib", "var", "var/log", "tmp"):
        system.put(path, FOLDER)
    for name, node in nodes.items():
        system.put(name.replace("__", "/"), node)
    return system


def members(made: Normalised, section: str) -> dict[str, tarfile.TarInfo]:
    """Return the members of a section's layer, without the folders on the way."""
    diff_ids = [layer.diff_id for layer in made.explanation.layers if layer.section == section]
    if not diff_ids:
        return {}
    with tarfile.open(made.layers[diff_ids[0]]) as archive:
        return {member.name: member for member in archive if not member.isdir()}


def content(made: Normalised, section: str, path: str) -> bytes:
    """Return the bytes of a file of a section."""
    (diff_id,) = [layer.diff_id for layer in made.explanation.layers if layer.section == section]
    with tarfile.open(made.layers[diff_id]) as archive:
        source = archive.extractfile(path)
        return source.read() if source else b""


def bytecode(source_time: int, flags: int = 0) -> str:
    """Return a bytecode file of ASCII bytes, so that it passes as text."""
    return (struct.pack("<2s2sII", b"a\r", b"\r\n", flags, source_time) + b"\x01\0\0\0code").decode("latin-1")


def test_each_path_goes_to_its_section(spool: Spool) -> None:
    """What packages brought, the app and the configuration are three layers, in that order."""
    system = based()
    base = system.layer()
    for path in ("usr/lib/libx.so", "app/app.py", "etc/app.toml", "opt/x"):
        system.put(path, Node("file", path))
    made = normalise(spool(base, system.layer()), 1, Rules(frozenset({"opt/x"})))
    assert [layer.section for layer in made.explanation.layers] == ["base", "packages", "app", "config"]
    assert [set(members(made, each)) for each in ("packages", "app", "config")] == [
        {"usr/lib/libx.so"},
        {"app/app.py"},
        {"etc/app.toml", "opt/x"},
    ]


def test_a_changed_config_changes_its_layer_alone(spool: Spool) -> None:
    """Another text of a rendered file leaves the layers of packages and app as they are."""
    results = []
    for text in ("a", "b"):
        system = based()
        base = system.layer()
        for path in ("usr/lib/libx.so", "app/app.py"):
            system.put(path, Node("file", path))
        system.put("etc/app.toml", Node("file", text))
        results.append(normalise(spool(base, system.layer()), 1, Rules()).content.diff_ids)
    assert results[0][:-1] == results[1][:-1]
    assert results[0][-1] != results[1][-1]


def test_a_folder_of_the_base_comes_along_with_its_own_mode(spool: Spool) -> None:
    """An engine makes up a folder that a layer lacks; so a layer lacks none on the way to what is in it."""
    system = based(opt__data=Node("folder", mode=0o700, owner=10001))
    base = system.layer()
    system.put("opt/data/x", Node("file", "x"))
    made = normalise(spool(base, system.layer()), 1, Rules())
    with tarfile.open(made.layers[made.content.diff_ids[1]]) as archive:
        found = {member.name: (member.mode, member.uid, member.mtime) for member in archive}
    assert found["opt/data"] == (0o700, 10001, EPOCH)


def test_what_was_only_touched_is_left_out(spool: Spool) -> None:
    """A file that is as in the base but for its time is no part of any layer."""
    system = based(app__x=Node("file", "same"))
    base = system.layer()
    system.put("app/x", Node("file", "same"))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert made.content.diff_ids == made.content.diff_ids[:1]


def test_dropped_paths_are_named_with_their_rule(spool: Spool) -> None:
    """Logs, caches and temporary files are left out and said; an empty log, a link and a folder stay."""
    system = based()
    base = system.layer()
    for path in ("var/log/a.log", "tmp/x", "etc/passwd-"):
        system.put(path, Node("file", "written"))
    system.put("var/log/nginx", FOLDER)
    system.put("var/log/nginx/empty.log", Node("file"))
    system.put("var/log/nginx/out.log", Node("link", "/dev/stdout"))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert {each.rule: each.paths for each in made.explanation.dropped} == {
        "backups of accounts": ("etc/passwd-",),
        "logs": ("var/log/a.log",),
        "temporary files": ("tmp/x",),
    }
    assert set(members(made, "app")) == {"var/log/nginx/empty.log", "var/log/nginx/out.log"}


def test_a_rendered_file_is_never_dropped(spool: Spool) -> None:
    """Where the spec puts a file, there it is, whatever the rules say."""
    system = based()
    base = system.layer()
    system.put("tmp/app.toml", Node("file", "x = 1"))
    made = normalise(spool(base, system.layer()), 1, Rules(frozenset({"tmp/app.toml"})))
    assert set(members(made, "config")) == {"tmp/app.toml"}
    assert made.explanation.dropped == ()


def test_capabilities_and_special_bits_stay(spool: Spool) -> None:
    """What a file may do is part of the image."""
    system = based()
    base = system.layer()
    capability = "\x01\udce2\0\x02"
    system.put("usr/lib/ping", Node("file", "x", 0o4755, capability=capability))
    (found,) = members(normalise(spool(base, system.layer()), 1, Rules()), "packages").values()
    assert (found.mode, found.pax_headers[CAPABILITY]) == (0o4755, capability)


def test_hard_links_stay_within_a_section_and_are_copied_across(spool: Spool) -> None:
    """Two names in one layer are one file; a name in another layer has bytes of its own."""
    system = based()
    base = system.layer()
    system.put("app/one", Node("file", "bytes"))
    system.link("app/two", "app/one")
    system.link("etc/three", "app/one")
    made = normalise(spool(base, system.layer()), 1, Rules())
    app, config = members(made, "app"), members(made, "config")
    assert (app["app/one"].isreg(), app["app/two"].islnk(), app["app/two"].linkname) == (True, True, "app/one")
    assert config["etc/three"].isreg()
    assert content(made, "config", "etc/three") == b"bytes"


def test_a_hard_link_into_the_base_is_copied(spool: Spool, tmp_path: Path) -> None:
    """A layer that links to a file below it gets the bytes."""
    system = based(app__x=Node("file", "of the base"))
    base = system.layer()
    target = tmp_path / "link.tar"
    with tarfile.open(target, "w") as archive:
        member = tarfile.TarInfo("app/y")
        member.type, member.linkname = tarfile.LNKTYPE, "app/x"
        archive.addfile(member)
    made = normalise(spool(base, target.read_bytes()), 1, Rules())
    assert content(made, "app", "app/y") == b"of the base"


def test_removals_are_whiteouts_of_the_topmost_path(spool: Spool) -> None:
    """A removed folder is one whiteout; one that was emptied and filled again keeps what is new only."""
    system = based(app__x=FOLDER, app__y=FOLDER)
    system.put("app/x/1", Node("file", "1"))
    system.put("app/y/1", Node("file", "1"))
    base = system.layer()
    system.remove("app/x")
    system.remove("app/y")
    system.put("app/y", FOLDER)
    system.put("app/y/2", Node("file", "2"))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert set(members(made, "app")) == {"app/.wh.x", "app/y/.wh.1", "app/y/2"}


@pytest.mark.parametrize("path", ["app/__pycache__/x.cpython-311.pyc", "app/x.pyc"])
def test_bytecode_names_the_time_its_source_will_have(spool: Spool, path: str) -> None:
    """The header of a bytecode file is the epoch, where Python would else compile again at each start."""
    system = based()
    base = system.layer()
    system.put("app/__pycache__", FOLDER)
    system.put("app/x.py", Node("file", "x = 1"))
    system.put(path, Node("file", bytecode(SOURCE_TIME)))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert struct.unpack("<I", content(made, "app", path)[8:12]) == (EPOCH,)
    assert content(made, "app", path)[12:] == b"\x01\0\0\0code"
    assert [(each.rule, each.paths) for each in made.explanation.rewritten] == [
        ("times of sources in bytecode", (path,))
    ]


def test_bytecode_of_the_bases_own_source_names_its_time(spool: Spool) -> None:
    """The base stays byte for byte, so what is compiled from it later names the time it has there."""
    system = based()
    system.put("app/x.py", Node("file", "x = 1"))
    number = system.nodes["app/x.py"].inode
    base = system.layer()
    system.put("app/x.pyc", Node("file", bytecode(SOURCE_TIME + 100)))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert struct.unpack("<I", content(made, "app", "app/x.pyc")[8:12]) == (SOURCE_TIME + number,)


def test_bytecode_that_names_a_hash_stays(spool: Spool) -> None:
    """A header with a source's hash in place of a time is what it is."""
    system = based()
    base = system.layer()
    system.put("app/x.pyc", Node("file", bytecode(SOURCE_TIME, flags=1)))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert content(made, "app", "app/x.pyc") == bytecode(SOURCE_TIME, flags=1).encode()
    assert made.explanation.rewritten == ()


def test_days_of_passwords_are_set_back(spool: Spool) -> None:
    """An account that a package made today is as old as the epoch; older days stay."""
    system = based()
    base = system.layer()
    system.put("etc/shadow", Node("file", "root:*:19000:0:99999:7:::\napp:!:20500::::::\nold:!::::::\n", 0o640))
    made = normalise(spool(base, system.layer()), 1, Rules())
    assert content(made, "packages", "etc/shadow") == (b"root:*:19000:0:99999:7:::\napp:!:20089::::::\nold:!::::::\n")


def test_the_config_is_what_counts_in_canonical_form(spool: Spool) -> None:
    """Who built it, empty values and what every engine adds anyway are no part of an image's config."""
    settings: dict[str, object] = {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1"],
        "WorkingDir": "/",
    }
    settings |= {"Labels": {"provisioner.kind": "build", "own": "1"}, "Cmd": ["x"], "Entrypoint": None, "Image": "y"}
    settings |= {"Healthcheck": {"Test": ["CMD", "x"]}, "ArgsEscaped": True, "Hostname": "builder"}
    made = normalise(spool(based().layer(), **settings), 1, Rules(labels={"provisioner.kind": "node"}))
    config = json.loads(made.content.config)
    assert config["config"] == {
        "Cmd": ["x"],
        "Env": ["A=1"],
        "Healthcheck": {"Test": ["CMD", "x"]},
        "Labels": {"own": "1", "provisioner.kind": "node"},
    }
    assert set(config) == {"architecture", "config", "created", "history", "os", "rootfs"}
    assert made.content.config == json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    assert config["created"] == "2025-01-01T00:00:00Z"


def test_the_bytes_are_those_of_this_normaliser(spool: Spool) -> None:
    """A change of these ids is a new normaliser: raise NORMALISER with it, so that tags change too."""
    system = based(app__x=Node("file", "old"))
    base = system.layer()
    system.put("app/" + "long" * 40, Node("file", "ä", 0o4755, owner=3_000_000, capability="\x01\udce2"))
    system.put("app/ü", Node("link", "/" + "x" * 150, 0o777))
    system.remove("app/x")
    made = normalise(spool(base, system.layer(), Cmd=["x"]), 1, Rules())
    assert (made.content.diff_ids[1][7:19], made.content.image_id[7:19]) == ("4fdfdf0932b5", "b8511ca8c66a")


def test_a_layer_that_is_no_tar_is_refused(spool: Spool) -> None:
    """What cannot be read is no image."""
    with pytest.raises(ArchiveBroken, match="cannot be read"):
        normalise(spool(based().layer(), b"x" * 1024), 1, Rules())


def test_a_link_to_nowhere_is_refused(spool: Spool, tmp_path: Path) -> None:
    """A hard link must lead to a file of its layer or of one below."""
    target = tmp_path / "link.tar"
    with tarfile.open(target, "w") as archive:
        member = tarfile.TarInfo("app/y")
        member.type, member.linkname = tarfile.LNKTYPE, "app/none"
        archive.addfile(member)
    with pytest.raises(ArchiveBroken, match="app/none"):
        normalise(spool(target.read_bytes()), 0, Rules())

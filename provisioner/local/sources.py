"""The files the user wrote: spec, inventory and its variables, as texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from provisioner.errors import InvalidInput, UsageError
from provisioner.model.inventory import Inventory
from provisioner.spec.source import WHOLE_FILE, SourceText
from provisioner.spec.yaml_reader import SIZE_LIMIT

INVENTORIES = "inventories"
_SUFFIXES = (".yaml", ".yml")
_VARIABLE_SUFFIXES = ("", *_SUFFIXES, ".json")


def read_source(path: str | Path) -> SourceText:
    """Read a text file; messages will name it by the path given.

    Raise UsageError where there is no such file, InvalidInput where it is not UTF-8 or larger than 1 MiB.
    """
    file, shown = Path(path), str(path)
    folder = str(file.absolute().parent)
    try:
        with file.open("rb") as stream:
            content = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {shown}", hint="name another with -f or -i") from None
    except IsADirectoryError:
        raise UsageError(f"{shown} is a folder, not a file") from None
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}") from None
    if len(content) > SIZE_LIMIT:
        raise InvalidInput((SourceText(shown, "").diagnostic(WHOLE_FILE, "the file is larger than 1 MiB"),))
    try:
        return SourceText(shown, content.decode("utf-8-sig"), folder)
    except UnicodeDecodeError as error:
        source = SourceText(shown, content.decode("utf-8", errors="replace"), folder)
        place = source.place_of(len(content[: error.start].decode("utf-8", errors="replace")))
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise InvalidInput((source.diagnostic(place, message, "save the file as UTF-8"),)) from None


def inventory_sources(path: str | Path) -> tuple[SourceText, dict[str, SourceText], dict[str, SourceText]]:
    """Read an inventory with the variable files in `group_vars` and `host_vars` beside it, by group and by host."""
    main = read_source(path)
    folder = Path(path).parent
    return main, _variable_files(folder / "group_vars"), _variable_files(folder / "host_vars")


def _variable_files(folder: Path) -> dict[str, SourceText]:
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        # A name may hold dots (`web1.example.com`), so only a suffix of ours is taken off.
        name = entry.stem if entry.suffix in _VARIABLE_SUFFIXES else entry.name
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            raise UsageError(f"{entry} is a folder; variables stand in one file", hint=f"write them into {entry}.yaml")
        if name in found:
            raise UsageError(f"{found[name]} and {entry} are for the same name", hint="join them into one file")
        found[name] = entry
    return {name: read_source(file) for name, file in found.items()}


def find_inventory(explicit: str | None, environment_name: str | None, working_directory: str, spec_path: str) -> str:
    """Return the path of the inventory that is meant.

    The one that was named; else `inventories/<environment>.yaml`, or the only file in `inventories`, looked for in
    the working directory, then beside the spec. Give the working directory as `.` where messages should name short
    paths. Raise UsageError where none or several could be meant.
    """
    if explicit:
        return explicit
    beside = Path(working_directory, spec_path).parent
    folders = list(dict.fromkeys([Path(working_directory, INVENTORIES), beside / INVENTORIES]))
    places = " or ".join(map(str, folders))
    for folder in folders:
        files = [file for file in _inventories_in(folder) if environment_name in {None, file.stem}]
        if len(files) == 1:
            return str(files[0])
        if files:
            names = ", ".join(map(str, files))
            raise UsageError(f"several inventories could be meant: {names}", hint="choose one with -e or -i")
    wanted = f"inventory '{environment_name}'" if environment_name else "inventory"
    raise UsageError(
        f"there is no {wanted} in {places}", hint="name one with -i, or make one with 'provisioner lab up'"
    )


def _inventories_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix in _SUFFIXES and file.is_file())


def with_home(inventory: Inventory, home: Path) -> Inventory:
    """Return an inventory whose key files begin with the user's home where they were written with `~`."""
    hosts = {
        name: replace(host, key_file=str(home / host.key_file[2:]))
        if host.key_file and host.key_file.startswith("~/")
        else host
        for name, host in inventory.hosts.items()
    }
    return replace(inventory, hosts=hosts)

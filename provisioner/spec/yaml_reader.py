"""Strict YAML: what is ambiguous is refused with its place, what is plain is kept with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.spec.scalars import plain_value
from provisioner.spec.source import WHOLE_FILE, Place, SourceText
from provisioner.spec.tree import Entry, Items, Scalar, Table, Tree, describe

SIZE_LIMIT = 1024 * 1024
"""The longest file read, in bytes."""

_DEPTH_LIMIT = 60
_NODE_LIMIT = 200_000
_PLAIN = "plain"
_QUOTED = "quoted"
_TEXT_TAGS = (_QUOTED, "tag:yaml.org,2002:str")
_UNTAGGED = (_PLAIN, *_TEXT_TAGS)


@dataclass(frozen=True, slots=True)
class Document:
    """A file as nodes, with the faults that did not keep it from being read."""

    source: SourceText
    root: Tree
    faults: tuple[Diagnostic, ...] = ()


def read_document(source: SourceText) -> Document:
    """Read one YAML document. Raise InvalidInput where the text cannot be read to its end.

    Duplicate keys, tags and cycles are faults of the document; the caller reports them with its own. An empty
    file is nothing, at no line.
    """
    node = _compose(source)
    if node is None:
        return Document(source, Scalar(WHOLE_FILE, "", None))
    builder = _Builder(source)
    root = builder.build(node)
    return Document(source, root, tuple(builder.faults))


class _Loader(Reader, Scanner, Parser, Composer):
    """Composes nodes and tells only plain from quoted; types are decided by `scalars`."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        self._depth = 0

    def descend_resolver(self, parent: yaml.Node | None, _index: object) -> None:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT and parent is not None:
            problem = f"nested more than {_DEPTH_LIMIT} levels deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=parent.start_mark)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def resolve(self, _kind: object, _value: object, implicit: object) -> str:
        return _PLAIN if implicit is True or (isinstance(implicit, tuple) and implicit[0]) else _QUOTED


def _compose(source: SourceText) -> yaml.Node | None:
    if len(source.text.encode(errors="surrogatepass")) > SIZE_LIMIT:
        raise InvalidInput((source.diagnostic(WHOLE_FILE, "the file is larger than 1 MiB"),))
    try:
        return _Loader(source.text).get_single_node()
    except ReaderError as error:
        message = f"the character U+{error.character:04X} cannot stand in YAML"
        raise InvalidInput((source.diagnostic(source.place_of(error.position), message),)) from None
    except yaml.MarkedYAMLError as error:
        raise InvalidInput((_syntax_fault(source, error),)) from None


def _syntax_fault(source: SourceText, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    if mark is None:
        return source.diagnostic(WHOLE_FILE, str(error))
    if source.text[mark.index : mark.index + 1] == "\t":
        return source.diagnostic(_place(mark), "a tab cannot indent YAML", "use spaces")
    if source.text[mark.index - 1 : mark.index + 1] == "${" and mark.index:
        hint = 'write "${VARIABLE}"; a number in it stays a number'
        return source.diagnostic(_place(mark), "between braces or brackets, a variable needs quotes", hint)
    problem = (error.problem or error.context or "this is not YAML").removeprefix("but ")
    if context is None or context.index == mark.index:
        return source.diagnostic(_place(mark), problem)
    if not source.text[mark.index :].strip():
        return source.diagnostic(_place(context), f"{error.context}: it is never closed")
    return source.diagnostic(_place(mark), f"{problem} ({error.context} that starts on line {context.line + 1})")


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Builder:
    """Turns composed nodes into our own, collecting faults."""

    source: SourceText
    faults: list[Diagnostic] = field(default_factory=list)
    count: int = 0
    open_nodes: list[int] = field(default_factory=list)

    def build(self, node: yaml.Node) -> Tree:
        place = _place(node.start_mark)
        self.count += 1
        if self.count > _NODE_LIMIT:
            fault = self.source.diagnostic(place, f"aliases expand to more than {_NODE_LIMIT} values")
            raise InvalidInput((fault,))
        if id(node) in self.open_nodes:
            return self._refused(place, "an alias refers to the mapping or list it stands in")
        if node.tag not in _UNTAGGED:
            return self._refused(place, f"the tag '{_short_tag(node.tag)}' is not supported")
        self.open_nodes.append(id(node))
        tree = self._built(node, place)
        self.open_nodes.pop()
        return tree

    def _built(self, node: yaml.Node, place: Place) -> Tree:
        if isinstance(node, yaml.MappingNode):
            return self._table(node, place)
        if isinstance(node, yaml.SequenceNode):
            return Items(place, tuple(self.build(item) for item in node.value))
        return self._scalar(node, place)

    def _scalar(self, node: yaml.Node, place: Place) -> Scalar:
        text = str(node.value)
        unfit = _unfit_character(text)
        if unfit:
            return self._refused(place, unfit)
        plain = node.tag == _PLAIN
        return Scalar(place, text, plain_value(text) if plain else text, plain)

    def _table(self, node: yaml.MappingNode, place: Place) -> Table:
        merged: dict[str, Entry] = {}
        own: dict[str, Entry] = {}
        merge: Place | None = None
        for key, value in node.value:
            where = _place(key.start_mark)
            if isinstance(key, yaml.ScalarNode) and key.tag == _PLAIN and key.value == "<<":
                if merge is not None:
                    self._duplicate("<<", merge, where)
                merge = where
                merged = self._merged(self.build(value))
            elif isinstance(key, yaml.ScalarNode) and key.tag in _UNTAGGED and key.value:
                self._own(own, Entry(str(key.value), where, self.build(value)))
            else:
                self._refused(where, "a key must be a text")
        kept = [entry for name, entry in merged.items() if name not in own]
        return Table(place, (*kept, *own.values()))

    def _own(self, own: dict[str, Entry], entry: Entry) -> None:
        unfit = _unfit_character(entry.key)
        if unfit:
            self._refused(entry.place, unfit)
        elif entry.key in own:
            self._duplicate(entry.key, own[entry.key].place, entry.place)
        else:
            own[entry.key] = entry

    def _duplicate(self, key: str, first: Place, second: Place) -> None:
        message = f"duplicate key '{key}': it stands on line {first.line} and again on line {second.line}"
        self.faults.append(self.source.diagnostic(second, message, "keep one of them"))

    def _merged(self, tree: Tree) -> dict[str, Entry]:
        tables = tree.items if isinstance(tree, Items) else (tree,)
        entries: dict[str, Entry] = {}
        for table in tables:
            if isinstance(table, Table):
                entries = {entry.key: entry for entry in table.entries} | entries
            else:
                self._refused(table.place, f"'<<' takes a mapping or a list of mappings, not {describe(table)}")
        return entries

    def _refused(self, place: Place, message: str) -> Scalar:
        self.faults.append(self.source.diagnostic(place, message))
        return Scalar(place, "", None)


def _unfit_character(text: str) -> str:
    """Return what is wrong with a text that no file and no argument can hold, empty where nothing is."""
    unfit = next((character for character in text if character == "\0" or "\ud800" <= character <= "\udfff"), None)
    return f"the character U+{ord(unfit):04X} cannot stand in a text" if unfit else ""


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")

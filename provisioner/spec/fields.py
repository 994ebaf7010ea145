"""The kinds of single values the spec language knows: how each is read, and what its JSON Schema is."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from provisioner.model.drift import DRIFT_KINDS
from provisioner.model.hook import HOOKS
from provisioner.model.spec import LOAD_BALANCER
from provisioner.spec.tree import Scalar, describe

_VARIABLE = r"\$\{"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TEXT_LIMIT = 4096


class Unfit(ValueError):
    """A value that does not fit its place; `suggestion` says what would."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def nearest(word: str, known: list[str] | tuple[str, ...], *, likeness: float = 0.6) -> str:
    """Return the question whether a known word was meant, empty where none is as like it (1.0: equal)."""
    near = get_close_matches(word, known, n=1, cutoff=likeness)
    return f"did you mean '{near[0]}'?" if near else ""


def any_text(value: object) -> str:
    """Return a scalar as it was written, newlines and all; numbers and booleans keep their spelling."""
    if isinstance(value, str):
        return value
    if isinstance(value, Scalar) and value.value is not None:
        return value.text
    raise Unfit(f"expected a text, found {describe(value)}")


def _value(value: object) -> str:
    if isinstance(value, Scalar) and value.value is None:
        raise Unfit("a value is missing", 'write "" for the empty text, ${NAME} for a variable of this machine')
    return any_text(value)


def one_line(value: object) -> str:
    """Return a scalar as it was written, without any control character."""
    text = any_text(value)
    if _CONTROL.search(text):
        raise Unfit("a newline or another control character cannot stand here")
    if len(text) > _TEXT_LIMIT:
        raise Unfit(f"the text is longer than {_TEXT_LIMIT} characters")
    return text


def argument(value: object) -> str:
    """Return a word of a command as it was written; a script of several lines is a word too."""
    text = any_text(value)
    one_line(text.replace("\n", " ").replace("\t", " "))
    return text


def matching(pattern: str, wanted: str) -> Callable[[object], str]:
    """Return a reader of texts of one form; `wanted` completes the sentence "expected …"."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        text = one_line(value)
        if not compiled.fullmatch(text):
            raise Unfit(f"expected {wanted}, found {describe(value)}")
        return text

    return read


def choice(*words: str) -> Callable[[object], str]:
    """Return a reader of one of several words."""

    def read(value: object) -> str:
        text = one_line(value)
        if text not in words:
            listed = ", ".join(words)
            raise Unfit(f"expected one of {listed}, found {describe(value)}", nearest(text, words))
        return text

    return read


def not_carried_out(key: str) -> str:
    """Return the sentence that refuses a part of the language by name."""
    return f"'{key}' is part of the language but is not carried out by this version yet"


def whole(minimum: int, maximum: int) -> Callable[[object], int]:
    """Return a reader of whole numbers between two, both included."""

    def read(value: object) -> int:
        number = value.value if isinstance(value, Scalar) else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise Unfit(f"expected a whole number, found {describe(value)}", _unquoted(value))
        if not minimum <= number <= maximum:
            raise Unfit(f"expected a number from {minimum} to {maximum}, found {number}")
        return number

    return read


def _unquoted(value: object) -> str:
    quoted_number = isinstance(value, Scalar) and not value.plain and value.text.isdecimal()
    return "remove the quotes" if quoted_number else ""


def _processors(value: object) -> float:
    try:
        number = float(one_line(value))
    except ValueError:
        number = 0.0
    if not 0.001 <= number <= 4096:  # noqa: PLR2004 - a thousandth is the smallest share worth a scheduler's time
        raise Unfit(f"expected a number of processors such as 0.5, found {describe(value)}")
    return number


_DURATION = re.compile(
    r"(?=.)(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m(?!s))?(?:(?P<s>\d{1,6}(?:\.\d{1,9})?)s)?(?:(?P<ms>\d{1,9})ms)?"
)
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONGEST = 86_400.0


def duration(value: object) -> float:
    """Read `10s`, `1m30s`, `500ms` as seconds."""
    text = one_line(value)
    match = _DURATION.fullmatch(text)
    if not match:
        suggestion = f"did you mean '{text}s'?" if re.fullmatch(r"\d+(\.\d+)?", text) else ""
        raise Unfit(f"expected a duration such as 10s or 1m30s, found {describe(value)}", suggestion)
    seconds = round(sum(float(match[unit]) * factor for unit, factor in _DURATION_UNITS.items() if match[unit]), 9)
    if seconds > _LONGEST:
        raise Unfit(f"expected a duration of at most 24h, found {describe(value)}")
    return seconds


def _positive_duration(value: object) -> float:
    seconds = duration(value)
    if seconds == 0:
        raise Unfit(f"expected a duration longer than nothing, found {describe(value)}")
    return seconds


_SIZE = re.compile(r"(?P<number>\d{1,15})(?P<unit>[kmg]?)b?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SMALLEST_MEMORY = 6 * 1024**2


def size(value: object) -> int:
    """Read `256m`, `1g`, `512k` or a number as bytes."""
    match = _SIZE.fullmatch(one_line(value))
    if not match:
        raise Unfit(f"expected a size such as 256m or 1g, found {describe(value)}")
    return int(match["number"]) * _SIZE_UNITS[match["unit"].lower()]


def _memory(value: object) -> int:
    number = size(value)
    if number < _SMALLEST_MEMORY:
        raise Unfit(f"expected at least 6m, the least Docker Engine accepts, found {describe(value)}")
    return number


def _mode(value: object) -> int:
    return int(matching(r"0?[0-7]{3}", "a file mode such as 0644")(value), 8)


def _absolute(value: object) -> str:
    text = one_line(value)
    if not text.startswith("/") or ".." in text.split("/"):
        raise Unfit(f"expected an absolute path, found {describe(value)}")
    return "/" + "/".join(part for part in text.split("/") if part not in {"", "."})


def _file_path(value: object) -> str:
    path = _absolute(value)
    if path == "/" or one_line(value).endswith("/"):
        raise Unfit(f"expected the absolute path of a file, found {describe(value)}")
    return path


def _day(value: object) -> str:
    text = one_line(value)
    try:
        if re.fullmatch(_DAY, text):
            return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise Unfit(f"expected a day such as 2026-12-31, found {describe(value)}")


def _address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(one_line(value)))
    except ValueError:
        raise Unfit(f"expected an IP address, found {describe(value)}") from None


def _service_name(value: object) -> str:
    name = matching(NAME, NAME_WANTED)(value)
    if name in _RESERVED:
        raise Unfit(f"'{name}' is a name of our own objects", "take another name")
    return name


def _nodes(minimum: int) -> Callable[[object], int | str]:
    def read(value: object) -> int | str:
        text = one_line(value)
        share = re.fullmatch(r"(\d{1,2}|100)%", text)
        if share and int(share[1]) >= minimum:
            return text
        number = value.value if isinstance(value, Scalar) else value
        if isinstance(number, bool) or not isinstance(number, int) or number < minimum:
            raise Unfit(f"expected a number of nodes, or a share of them such as 25%, found {describe(value)}")
        return number

    return read


_SIGNALS = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
    "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS", "RTMIN", "RTMAX",
)  # fmt: skip


def _signal(value: object) -> str:
    text = one_line(value)
    name = re.sub(r"[+-]\d{1,2}$", "", text.removeprefix("SIG"))
    if name not in _SIGNALS:
        names = tuple(f"SIG{signal}" for signal in _SIGNALS)
        raise Unfit(f"expected a signal such as SIGTERM, found {describe(value)}", nearest(text, names))
    return "SIG" + text.removeprefix("SIG")


def _text_schema(pattern: str = "", **more: Any) -> WithJsonSchema:
    """Describe a text; YAML may write it as a number or a boolean, and a variable may stand for it."""
    if pattern:
        return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$|{_VARIABLE}", **more})
    return WithJsonSchema({"type": ["string", "number", "boolean"], **more})


def _key_schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


def _one_of(*words: str) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"enum": list(words)}, {"type": "string", "pattern": _VARIABLE}]})


def _number_schema(minimum: int, maximum: int) -> WithJsonSchema:
    number = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": _VARIABLE}]})


NAME = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
NAME_WANTED = "a name of at most 63 small letters, digits and '-', beginning with a letter and not ending with '-'"
_RESERVED = (LOAD_BALANCER, "release", "inputs")
_ENVIRONMENT_KEY = r"[A-Za-z_][A-Za-z0-9_.-]*"
_ARGUMENT_KEY = r"[A-Za-z_][A-Za-z0-9_]*"
_DOMAIN = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = (
    rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]{{1,5}})?/)?{_PATH}(?:/{_PATH})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_REQUEST_PATH = r"/[A-Za-z0-9/._~!&'()*+,;=:@%-]*"
_HOST_NAME = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_PLATFORM = r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
_ENTRY = r"[A-Za-z_][A-Za-z0-9_.-]{0,62}"
_SERVER = rf"{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]{{1,5}})?(?:/{_PATH})*"
_VOLUME_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_DAY = r"\d{4}-\d\d-\d\d"
_DURATION_SCHEMA = r"(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?"
ALGORITHMS = ("roundrobin", "leastconn", "static-rr", "source", "first", "random")
ORDERS = ("start-first", "stop-first")
ON_FAILURE = ("rollback", "pause", "abort")
ON_UNREACHABLE = ("pause", "rollback")
RESTARTS = ("no", "always", "unless-stopped", "on-failure")

Name = Annotated[str, BeforeValidator(matching(NAME, NAME_WANTED)), _text_schema(NAME)]
BaseName = Annotated[str, BeforeValidator(matching(NAME, NAME_WANTED)), _key_schema(NAME)]
ServiceName = Annotated[str, BeforeValidator(_service_name), _key_schema(NAME)]
Line = Annotated[str, BeforeValidator(matching(r".+", "a text")), _text_schema()]
Argument = Annotated[str, BeforeValidator(argument), _text_schema()]
Value = Annotated[str, BeforeValidator(_value), _text_schema()]
EnvironmentKey = Annotated[str, BeforeValidator(matching(_ENVIRONMENT_KEY, "the name of a variable"))]
ArgumentKey = Annotated[str, BeforeValidator(matching(_ARGUMENT_KEY, "the name of a build argument"))]
ImageReference = Annotated[
    str, BeforeValidator(matching(_IMAGE, "an image reference such as nginx:1.27")), _text_schema(_IMAGE)
]
Suite = Annotated[str, BeforeValidator(matching(r"[a-z][a-z0-9-]*", "a Debian suite such as bookworm")), _text_schema()]
SecretName = Annotated[str, BeforeValidator(matching(_ENTRY, "the name of a secret")), _key_schema(_ENTRY)]
SecretReference = Annotated[str, BeforeValidator(matching(_ENTRY, "the name of a secret")), _text_schema(_ENTRY)]
HookKey = Annotated[str, BeforeValidator(choice(*HOOKS)), _key_schema("|".join(HOOKS))]
VariableName = Annotated[
    str, BeforeValidator(matching(_ARGUMENT_KEY, "the name of a variable")), _text_schema(_ARGUMENT_KEY)
]
RegistryServer = Annotated[
    str, BeforeValidator(matching(_SERVER, "a registry such as registry.example.com:5000")), _text_schema(_SERVER)
]
UserName = Annotated[str, BeforeValidator(matching(r"[^\s:][^:]*", "a user's name without ':'")), _text_schema()]
DriftKind = Annotated[str, BeforeValidator(choice(*DRIFT_KINDS)), _one_of(*DRIFT_KINDS)]
Day = Annotated[str, BeforeValidator(_day), _text_schema(_DAY)]
Package = Annotated[str, BeforeValidator(matching(r"[a-z0-9][a-z0-9+.-]+", "a Debian package")), _text_schema()]
AbsolutePath = Annotated[str, BeforeValidator(_absolute), _text_schema("/.*")]
FilePath = Annotated[str, BeforeValidator(_file_path), _key_schema("/.*")]
VolumeName = matching(_VOLUME_NAME, "the name of a volume")
RequestPath = Annotated[
    str, BeforeValidator(matching(_REQUEST_PATH, "a path such as /healthz")), _text_schema(_REQUEST_PATH)
]
HostName = Annotated[
    str, BeforeValidator(matching(_HOST_NAME, "a host name such as shop.example.com")), _text_schema(_HOST_NAME)
]
Address = Annotated[str, BeforeValidator(_address), _text_schema()]
User = Annotated[str, BeforeValidator(matching(_USER, "a user or user:group")), _text_schema()]
Platform = Annotated[
    str, BeforeValidator(matching(_PLATFORM, "a platform such as linux/amd64")), _text_schema(_PLATFORM)
]
StopSignal = Annotated[str, BeforeValidator(_signal), _text_schema()]
Restart = Annotated[str, BeforeValidator(choice(*RESTARTS)), _one_of(*RESTARTS)]
HardeningName = Annotated[str, BeforeValidator(choice("default", "compatible")), _one_of("default", "compatible")]
Engine = Annotated[str, BeforeValidator(choice("haproxy")), _one_of("haproxy")]
BalancerNetwork = Annotated[str, BeforeValidator(choice("bridge", "host")), _one_of("bridge", "host")]
Algorithm = Annotated[str, BeforeValidator(choice(*ALGORITHMS)), _one_of(*ALGORITHMS)]
Order = Annotated[str, BeforeValidator(choice(*ORDERS)), _one_of(*ORDERS)]
OnFailure = Annotated[str, BeforeValidator(choice(*ON_FAILURE)), _one_of(*ON_FAILURE)]
OnUnreachable = Annotated[str, BeforeValidator(choice(*ON_UNREACHABLE)), _one_of(*ON_UNREACHABLE)]
Distribution = Annotated[str, BeforeValidator(choice("star", "relay")), _one_of("star", "relay")]
Port = Annotated[int, BeforeValidator(whole(1, 65535)), _number_schema(1, 65535)]
Replicas = Annotated[int, BeforeValidator(whole(1, 1000)), _number_schema(1, 1000)]
Retained = Annotated[int, BeforeValidator(whole(1, 1000)), _number_schema(1, 1000)]
Retries = Annotated[int, BeforeValidator(whole(1, 1000)), _number_schema(1, 1000)]
Pids = Annotated[int, BeforeValidator(whole(1, 4_194_304)), _number_schema(1, 4_194_304)]
Processors = Annotated[float, BeforeValidator(_processors), WithJsonSchema({"type": ["number", "string"]})]
Memory = Annotated[int, BeforeValidator(_memory), WithJsonSchema({"type": ["string", "integer"]})]
Mode = Annotated[int, BeforeValidator(_mode), WithJsonSchema({"type": ["string", "integer"]})]
Duration = Annotated[float, BeforeValidator(duration), _text_schema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[float, BeforeValidator(_positive_duration), _text_schema(_DURATION_SCHEMA)]
Parallelism = Annotated[
    int | str,
    BeforeValidator(_nodes(1)),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]
NodesOrNone = Annotated[
    int | str,
    BeforeValidator(_nodes(0)),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}),
]

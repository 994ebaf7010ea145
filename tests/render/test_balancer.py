"""The balancer's file, case by case."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.balancers.memory_file import parse
from provisioner.errors import InvalidInput
from provisioner.model.balancer import BalancerConfig
from provisioner.model.spec import Route
from provisioner.render.balancer import TEMPLATE, balancer_template, balancer_text, file_digest
from tests.render.declared import CASES, balancer_config, in_memory, shipped

BALANCERS = sorted((CASES / "balancer").iterdir())


def config(case: Path) -> BalancerConfig:
    """Return a case's configuration."""
    return balancer_config((case / "config.json").read_text())


@pytest.fixture
def hello() -> BalancerConfig:
    """The plainest fleet."""
    return config(CASES / "balancer/one-service")


@pytest.mark.parametrize("case", BALANCERS, ids=lambda case: case.name)
def test_the_file_is_the_case_s_own(case: Path) -> None:
    """A configuration always gives the same file, byte for byte."""
    text, _ = balancer_text(config(case), shipped())
    assert text == (case / "haproxy.cfg").read_text()


@pytest.mark.engine
@pytest.mark.parametrize("case", BALANCERS, ids=lambda case: case.name)
def test_haproxy_takes_the_file_without_a_warning(case: Path, tmp_path: Path) -> None:
    """What we write is valid to the real program."""
    file = tmp_path / "haproxy.cfg"
    file.write_text((case / "haproxy.cfg").read_text().replace("/run/haproxy", str(tmp_path)))
    done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr


@pytest.mark.parametrize("case", BALANCERS, ids=lambda case: case.name)
def test_the_digest_stands_in_the_file_and_proves_it(case: Path) -> None:
    """The digest in the description is that of the file without it."""
    text, digest = balancer_text(config(case), shipped())
    assert f"\n  description cfg={digest}\n" in text
    assert file_digest(text, digest) == digest


def test_a_touched_file_has_another_digest(hello: BalancerConfig) -> None:
    """A change by hand shows, though the description still says the old digest."""
    text, digest = balancer_text(hello, shipped())
    assert file_digest(text.replace("retries 10", "retries 9"), digest) != digest


@pytest.mark.parametrize("case", BALANCERS, ids=lambda case: case.name)
def test_the_double_reads_what_haproxy_reads(case: Path) -> None:
    """The balancer in memory finds every server of the file, each with a check of its own or one it tracks."""
    said = config(case)
    text, digest = balancer_text(said, shipped())
    read = parse(text)
    assert read.digest == digest
    listed = {(line.backend, line.name): line for line in read.servers}
    for backend in said.backends:
        for server in backend.servers:
            line = listed[backend.service, server.name]
            judge = listed[line.track] if line.track else line
            assert (line.address, line.port) == (server.address, server.port)
            assert judge.rule is not None
            assert (judge.rule.path, judge.rule.interval) == (server.check.path, server.check.interval)


def with_address(hello: BalancerConfig, address: str) -> BalancerConfig:
    """Return the plainest fleet with one server at another address."""
    backend = hello.backends[0]
    server = replace(backend.servers[0], address=address)
    return replace(hello, backends=(replace(backend, servers=(server,)),))


def test_a_name_is_written_as_it_is(hello: BalancerConfig) -> None:
    """Offline nobody may know what a name stands for; a file with one is rendered, and never deployed."""
    text, _ = balancer_text(with_address(hello, "web1.internal"), shipped())
    assert " web1.internal:" in text


@pytest.mark.parametrize("address", ["web1 check", "10.0.0.1\nserver evil", "", "-web", "web_1"])
def test_what_is_neither_address_nor_name_is_refused(hello: BalancerConfig, address: str) -> None:
    """Nothing else can stand where a server's address stands."""
    with pytest.raises(InvalidInput, match="neither an address nor a name"):
        balancer_text(with_address(hello, address), shipped())


@pytest.mark.parametrize("word", ["web\nbackend evil", "web evil", "web #", "web'", "$HOME", "web{", "%[src]"])
def test_a_word_cannot_become_a_directive(hello: BalancerConfig, word: str) -> None:
    """Where the template quotes nothing, only harmless words pass."""
    with pytest.raises(InvalidInput, match=r"haproxy\.cfg\.j2:\d+"):
        balancer_text(replace(hello, algorithm=word), shipped())


@pytest.mark.parametrize("host", ["%[src]", "a b", "a\n  use_backend evil", "$X"])
def test_the_host_of_a_check_is_a_plain_word(hello: BalancerConfig, host: str) -> None:
    """HAProxy would carry out an expression there, even in quotes."""
    with pytest.raises(InvalidInput):
        balancer_text(replace(hello, routes=(Route("web", "/", host),)), shipped())


@pytest.mark.parametrize("path", ["/a\n  use_backend evil", "/a\rb", "/a\x00b", "/a\x1bb", "/a\u2028b"])
def test_a_path_cannot_begin_a_line(hello: BalancerConfig, path: str) -> None:
    """No quoting of HAProxy holds a control character: the path is refused."""
    with pytest.raises(InvalidInput, match="control character"):
        balancer_text(replace(hello, routes=(Route("web", path),)), shipped())


def test_a_template_of_the_user_has_to_show_the_digest(hello: BalancerConfig) -> None:
    """Without the description nothing could prove which file runs."""
    load = in_memory({"mine/haproxy.cfg.j2": "global\n  description mine\n"})
    with pytest.raises(InvalidInput, match="description cfg="):
        balancer_text(hello, load, "mine/haproxy.cfg.j2")


def test_a_template_of_the_user_takes_the_place_of_ours(hello: BalancerConfig) -> None:
    """The file beside the user's Dockerfile is the one that is rendered."""
    load = in_memory({"mine/haproxy.cfg.j2": "global\n  description cfg={{ digest }}\n  maxconn {{ ports[0] }}\n"})
    text, digest = balancer_text(hello, load, balancer_template("mine/Dockerfile.j2"))
    assert text == f"global\n  description cfg={digest}\n  maxconn 80\n"


def test_a_user_who_wants_another_image_keeps_our_file(hello: BalancerConfig) -> None:
    """A template folder without a haproxy.cfg.j2 gets ours."""
    text, _ = balancer_text(hello, shipped(), balancer_template("mine"))
    assert text == balancer_text(hello, shipped(), TEMPLATE)[0]

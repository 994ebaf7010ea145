"""What both views promise beyond how they look."""

from __future__ import annotations

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from provisioner.errors import Diagnostic, InvalidInput, ProvisionerError
from provisioner.model.event import ActionProgress, ActionSucceeded, Event, Finished, PlanMade, StepStarted
from provisioner.model.plan import BuildImage, Plan, RecordRelease, RemoveImage, Step
from provisioner.views.choose import choose_view, terminal_settings
from provisioner.views.events import advice
from provisioner.views.marks import UNICODE
from provisioner.views.page import Page, clean
from provisioner.views.progress import LiveProgress, far
from provisioner.views.settings import Settings
from provisioner.views.view import View
from provisioner.views.words import duration, plural, short, size
from tests.views.conftest import Paint, first_plan, start, status_sample

ACTION = RecordRelease("web1")


def lines(text: str) -> list[dict[str, object]]:
    """Return the JSON lines of standard output."""
    out = text.partition("stderr:\n")[0].removeprefix("stdout:\n")
    return [json.loads(line) for line in out.splitlines()]


def test_no_secret_leaves_through_a_view(paint: Paint) -> None:
    """A container's environment is neither in the plan as text nor in the plan as JSON."""
    for as_json in (False, True):
        text = paint(lambda view: view.emit(PlanMade(first_plan())), Settings(verbosity=1), json=as_json)
        assert "web1/web-1" in text
        assert "hunter2" not in text


def test_every_run_in_json_ends_with_a_finished_line(paint: Paint) -> None:
    """An error before, or in, a run is its last line too, and is told on standard error in words."""
    text = paint(lambda view: view.error(ProvisionerError("no luck", hint="try again")), json=True, run=True)
    assert [line["type"] for line in lines(text)] == ["version", "finished"]
    assert lines(text)[-1]["exit"] == 1
    assert text.endswith("stderr:\nerror: no luck\nhint: try again\n")


def test_a_run_that_ended_is_not_ended_twice(paint: Paint) -> None:
    """An error after the last line adds none."""

    def show(view: View) -> None:
        view.emit(Finished("halted", None, 6))
        view.error(ProvisionerError("it is mixed"))

    assert [line["type"] for line in lines(paint(show, json=True, run=True))] == ["version", "finished"]


def test_a_question_in_json_is_one_object(paint: Paint) -> None:
    """An error of a question writes no line at all."""
    answer = paint(lambda view: view.status(status_sample(uniform=True)), json=True)
    assert len(lines(answer)) == 1
    assert lines(paint(lambda view: view.error(ProvisionerError("no")), json=True)) == []


def test_progress_in_json_is_told_when_its_words_change(paint: Paint) -> None:
    """Ten thousand chunks of an image are one line."""

    def show(view: View) -> None:
        for done in range(100):
            view.emit(ActionProgress(ACTION, "sending", done, 100))
        view.emit(ActionProgress(ACTION, "verifying"))

    assert [line.get("text") for line in lines(paint(show, json=True))] == [None, "sending", "verifying"]


def test_events_of_many_threads_are_whole_lines(paint: Paint) -> None:
    """Nothing is torn, in either view."""
    events: list[Event] = [ActionSucceeded(RecordRelease(f"web{number}"), 0.1) for number in range(200)]

    def show(view: View) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(view.emit, events))

    assert len(lines(paint(show, json=True))) == 201
    assert paint(show).count(": record the release  0.1 s\n") == 200


def test_quiet_leaves_the_outcome_and_errors(paint: Paint) -> None:
    """-q takes away what is not data, no error and not the end."""

    def show(view: View) -> None:
        view.message("looking at 4 hosts")
        view.emit(PlanMade(first_plan()))
        view.emit(StepStarted(1, 1, Step("record", (ACTION,))))
        view.emit(ActionSucceeded(ACTION, 0.1))
        view.emit(Finished("unchanged", "r1-aa", 0))

    expected = "stdout:\n✓ unchanged: nothing to do. The fleet is on r1-aa.\nstderr:\n"
    assert paint(show, Settings(verbosity=-1)) == expected


def test_a_live_display_leaves_only_lines_that_are_done() -> None:
    """On a terminal the running actions are redrawn, and gone at the end."""
    out, err = io.StringIO(), io.StringIO()
    view = choose_view(out, err, Settings(width=80, interactive=True))
    view.emit(StepStarted(1, 1, Step("record the release", (ACTION,))))
    view.emit(ActionProgress(ACTION, "writing", 1_000, 2_000))
    view.emit(ActionSucceeded(ACTION, 0.25))
    view.emit(Finished("complete", "r1-aa", 0, actions=1, seconds=0.25))
    assert "✓ web1: record the release" in err.getvalue()
    assert err.getvalue().endswith("next: provisioner status\n")
    assert out.getvalue() == "✓ complete: every step is done. The fleet is on r1-aa.  (1 action in 0.2 s)\n"


def test_the_live_display_says_what_where_and_how_far() -> None:
    """Every running action has a line; one that ended has none."""
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    live = LiveProgress(console, UNICODE)
    live.step(StepStarted(2, 5, Step("ship images", (ACTION, start("web2/web-1")))))
    live.advance(ActionProgress(ACTION, "writing", 1_000, 2_000))
    live.end(start("web2/web-1"))
    with console.capture() as capture:
        console.print(live.running)
    live.stop()
    text = capture.get()
    assert "[2/5] ship images" in text
    assert "web1: record the release - writing 1.0 kB of 2.0 kB" in text
    assert "web2" not in text


def test_what_a_program_wrote_cannot_drive_the_terminal(paint: Paint) -> None:
    """Escape sequences of a log, a path or a message are dropped."""
    assert clean("\x1b[2J\x1b]0;title\x07red\x1b[31m!\x1b[0m") == "red!"
    text = paint(lambda view: view.message("be\x07ware \x1b[2J"))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_colour_never_speaks_alone(paint: Paint) -> None:
    """With the colours taken away the page is the page without colour."""

    def show(view: View) -> None:
        view.status(status_sample(uniform=False))

    coloured = paint(show, Settings(colour_out=True, colour_err=True))
    assert "\x1b[" in coloured
    assert clean_lines(coloured) == clean_lines(paint(show))


def clean_lines(text: str) -> list[str]:
    """Return lines without colour."""
    return [clean(line) for line in text.splitlines()]


def test_text_is_never_wrapped_nor_changed(paint: Paint) -> None:
    """A rendered file on standard output is the file."""
    line = "x" * 200
    assert paint(lambda view: view.text(f"{line}\n")) == f"stdout:\n{line}\nstderr:\n"


@pytest.mark.parametrize("width", [1, 20, 33, 60, 79, 200])
def test_no_line_is_wider_than_the_terminal(width: int, paint: Paint) -> None:
    """Whatever the width, from twenty columns on."""

    def show(view: View) -> None:
        view.status(status_sample(uniform=False))
        view.plan(first_plan())

    assert max(len(line) for line in paint(show, Settings(width=width)).splitlines()) <= max(width, 20)


def test_several_messages_are_told_apart(paint: Paint) -> None:
    """Nothing to suggest: no `help`; nothing to do: no `next`."""
    text = paint(lambda view: view.plan(Plan("shop")))
    assert "next:" not in text


def test_an_action_on_this_machine_says_so(paint: Paint) -> None:
    """A build without a host happens here."""
    text = paint(lambda view: view.emit(ActionSucceeded(BuildImage("", "web", "web:1"), 61)))
    assert "this machine: build the image of web  1m01s" in text


def test_a_fleet_that_was_destroyed_has_no_next_command() -> None:
    """There is nothing left to look at."""
    assert advice(Finished("complete", None, 0)) == ""
    assert advice(Finished("complete", "r1-aa", 0)) == "provisioner status"


@pytest.mark.parametrize(
    ("environment", "tty", "flag", "colour", "interactive"),
    [
        ({}, True, False, True, True),
        ({}, False, False, False, False),
        ({"NO_COLOR": "1"}, True, False, False, True),
        ({"NO_COLOR": ""}, True, False, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False, False, True),
        ({"CLICOLOR_FORCE": "1"}, False, False, True, False),
        ({"FORCE_COLOR": "0"}, False, False, False, False),
        ({"TERM": "dumb"}, True, False, False, False),
        ({"CI": "true"}, True, False, True, False),
        ({"CI": "false"}, True, False, True, True),
        ({}, True, True, False, True),
    ],
)
def test_what_a_terminal_shows_is_decided_from_values(
    environment: dict[str, str],
    tty: bool,  # noqa: FBT001
    flag: bool,  # noqa: FBT001
    colour: bool,  # noqa: FBT001
    interactive: bool,  # noqa: FBT001
) -> None:
    """NO_COLOR and --no-color win over force, force over the stream; CI and dumb terminals stand still."""
    settings = terminal_settings(environment, stdout_is_tty=tty, stderr_is_tty=tty, no_color=flag)
    assert (settings.colour_out, settings.colour_err, settings.interactive) == (colour, colour, interactive)


def test_the_width_is_columns_then_the_terminal_then_eighty() -> None:
    """COLUMNS wins where it is a number."""

    def width(environment: dict[str, str], columns: int) -> int:
        return terminal_settings(environment, stdout_is_tty=True, stderr_is_tty=True, columns=columns).width

    assert [width({"COLUMNS": "40"}, 120), width({"COLUMNS": "wide"}, 120), width({}, 0)] == [40, 120, 80]


def test_values_are_written_as_people_write_them() -> None:
    """Durations, sizes, counts and digests."""
    assert [duration(0.04), duration(9.96), duration(59.6), duration(3_720)] == ["0.0 s", "10.0 s", "1m00s", "1h02m"]
    assert [size(999), size(1_000), size(41_234_567), size(512_000_000)] == ["999 B", "1.0 kB", "41.2 MB", "512 MB"]
    assert [plural(1, "host"), plural(2, "host")] == ["1 host", "2 hosts"]
    assert short(f"image sha256:{'ab' * 32} here") == "image abababababab here"
    assert far(ActionProgress(RemoveImage("web1", "x"), "waiting")) == "waiting"


def test_a_page_is_never_narrower_than_twenty_columns() -> None:
    """A terminal that says it has no width is not believed."""
    assert Page(io.StringIO(), 0).width == 20


def test_diagnostics_of_one_fault_name_no_total(paint: Paint) -> None:
    """A total is for several."""
    text = paint(lambda view: view.error(InvalidInput((Diagnostic("fleet.yaml", 1, 1, "bad", "", "name: x"),))))
    assert "error in" not in text


@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_who_leaves_ends_no_rollout(*, as_json: bool) -> None:
    """Events go on being taken after the streams broke: `apply | head` carries its plan out."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8", closefd=False) as gone:
        view = choose_view(gone, gone, Settings(), json=as_json, run=True)
        for event in (StepStarted(1, 1, Step("record the release", (ACTION,))), Finished("complete", "r1-0", 0)):
            view.emit(event)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    os.close(writing)


def test_a_reader_who_leaves_is_told_to_the_command() -> None:
    """A question that nobody hears the answer of ends as the shell expects it, not inside the printer."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8", closefd=False) as gone:
        with pytest.raises(BrokenPipeError):
            choose_view(gone, gone, Settings()).table("hosts", ("HOST",), (("web1",),))
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    os.close(writing)

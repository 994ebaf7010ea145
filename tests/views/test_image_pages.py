"""What images are made of, as it is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provisioner.model.image import (
    Dropped,
    Explanation,
    ImageFacts,
    LayerSummary,
    Made,
    PathDifference,
    Rewritten,
)
from tests.views.conftest import IMAGE, Paint, Show

LAYERS = (
    LayerSummary("base", "sha256:" + "1" * 64, 123_000_000),
    LayerSummary("app", "sha256:" + "2" * 64, 4096, 3),
    LayerSummary("config", "sha256:" + "3" * 64, 2048, 1),
)
LOGS = tuple(f"var/log/{number:02}.log" for number in range(15))
EXPLANATION = Explanation(
    LAYERS,
    (Dropped("logs", LOGS), Dropped("temporary files", ("tmp/\x1b[31mred",))),
    (Rewritten("days of passwords", ("etc/shadow",)),),
)
IMAGES = {
    "provisioner/shop/web:1f": Made(ImageFacts(IMAGE, platform="linux/amd64"), explanation=EXPLANATION),
    "provisioner/shop/old:2a": Made(ImageFacts(IMAGE, layers=(LAYERS[0].diff_id,), platform="linux/amd64")),
}
FOUND = {
    "web": (
        PathDifference("app", "/app/built-at", "content"),
        PathDifference("packages", "/usr/lib/x", "only in the first build"),
        PathDifference("settings", "Env", '["A=1"] and ["A=2"]'),
    ),
    "worker": (),
}
PAGES: dict[str, Show] = {
    "images": lambda view: view.images(IMAGES),
    "images-none": lambda view: view.images({}),
    "differences": lambda view: view.differences(FOUND),
    "differences-none": lambda view: view.differences({"web": ()}),
}


@pytest.mark.parametrize("case", PAGES)
def test_a_page_looks_as_recorded(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """What people read of images changes on purpose only."""
    matches(case, paint(PAGES[case]))


@pytest.mark.parametrize("case", PAGES)
def test_a_json_answer_looks_as_recorded(case: str, paint: Paint, matches: Callable[[str, str], None]) -> None:
    """What programs read of images changes on purpose only."""
    matches(f"{case}-json", paint(PAGES[case], json=True))

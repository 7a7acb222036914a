from pathlib import Path

import pytest
from figures import Plot
from plotting import draw, find_decades

PLOT = Plot(
    "growth/heatmap.png",
    "The heatmap",
    "footprints",
    "seconds",
    (10_000, 100_000, 1_000_000),
    {"whole": (0.02, 0.2, 2.0), "first byte": (0.01, 0.01, 0.02)},
)


def test_picture_is_a_small_png(tmp_path: Path) -> None:
    draw(PLOT, tmp_path / "heatmap.png")

    content = (tmp_path / "heatmap.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert 5_000 < len(content) < 60_000


@pytest.mark.parametrize(
    ("figures", "decades"),
    [([0.02, 2.0], (0.01, 10.0)), ([3.0], (1.0, 10.0)), ([10.0], (10.0, 100.0))],
)
def test_axis_has_whole_decades(figures: list[float], decades: tuple[float, float]) -> None:
    assert find_decades(figures) == pytest.approx(decades)

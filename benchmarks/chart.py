"""A bar chart as SVG, readable on a light and on a dark page."""

from collections.abc import Mapping
from html import escape

_WIDTH, _LEFT, _RIGHT = 760, 170, 90  # pixels: all, left of the bars, right of the longest one
_TOP, _HEAD, _BAR, _GAP = 44, 24, 18, 12  # pixels: the title, a group's name, a bar, between groups
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.name, .value { fill: #59636e }
.name { text-anchor: end }
rect { fill: #8c959f }
.first rect { fill: #0969da }
.first .name, .first .value { fill: #1f2328; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text, .first .name, .first .value { fill: #f0f6fc }
  .name, .value { fill: #9198a1 }
  rect { fill: #656c76 }
  .first rect { fill: #4493f8 }
}
"""


def draw(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Horizontal bars: a group has a name and a value for each label; the first label is emphasized."""
    largest = max(value for bars in groups.values() for value in bars.values())
    y, parts = _TOP, [f'<text class="title" x="8" y="24">{escape(title)}</text>']
    for name, bars in groups.items():
        parts.append(f'<text class="group" x="8" y="{y + 16}">{escape(name)}</text>')
        y += _HEAD
        for index, (label, value) in enumerate(bars.items()):
            parts.append(_bar(label, value, value / largest, y, is_first=index == 0))
            y += _BAR
        y += _GAP
    size = f'width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    return "\n".join([start, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _bar(label: str, value: float, share: float, y: int, *, is_first: bool) -> str:
    width = max(1, round((_WIDTH - _LEFT - _RIGHT) * share))
    return (
        f'<g class="{"first" if is_first else "other"}">'
        f'<text class="name" x="{_LEFT - 8}" y="{y + 13}">{escape(label)}</text>'
        f'<rect x="{_LEFT}" y="{y + 2}" width="{width}" height="{_BAR - 4}" rx="2"/>'
        f'<text class="value" x="{_LEFT + width + 6}" y="{y + 13}">{value:,.0f}</text></g>'
    )

#!/usr/bin/env python3
"""Draws what cpu_growth.sh has measured: growth_plot.py FILE.csv FILE.svg

A panel for each kind: tokens/s against the size, both logarithmic, and as a dashed line what they
would be if a step took time in proportion to its FLOP, from the first size on.
"""

import csv
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 200, 62, 40, 96
STYLE = """
text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold } .small { font-size: 10px }
.grid { stroke: #ddd } .measured { stroke: #06c; fill: none; stroke-width: 2 } .dot { fill: #06c }
.expected { stroke: #777; fill: none; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .back { fill: #111 } .grid { stroke: #333 } .measured { stroke: #6af }
  .dot { fill: #6af } .expected { stroke: #999 } }
"""


def ticks(low, high):
    """1, 2 and 5 times powers of ten, or the powers alone where these are enough."""
    steps = (1, 2, 5) if high / low < 100 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [s * 10**p for p in powers for s in steps if low <= s * 10**p <= high]


def short(value):
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def panel(x0, kind, rows):
    sizes = [float(r["size"]) for r in rows]
    measured = [float(r["tokens_per_s"]) for r in rows]
    expected = [v * float(r["over_expected"]) for v, r in zip(measured, rows)]
    low, high = min(measured + expected) / 1.2, max(measured + expected) * 1.2

    def x(size):
        return x0 + WIDTH * math.log(size / sizes[0]) / math.log(sizes[-1] / sizes[0])

    def y(value):
        return TOP + HEIGHT * (1 - math.log(value / low) / math.log(high / low))

    def line(values):
        return " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(sizes, values))

    yield f'<text class="title" x="{x0}" y="{TOP - 14}">{kind}</text>'
    for value in ticks(low, high):
        yield f'<line class="grid" x1="{x0}" x2="{x0 + WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        yield f'<text class="small" text-anchor="end" x="{x0 - 6}" y="{y(value) + 4:.1f}">{short(value)}</text>'
    for size in sizes:
        yield (f'<text class="small" text-anchor="middle" x="{x(size):.1f}" y="{TOP + HEIGHT + 16}">'
               f"{size:g}</text>")
    yield f'<polyline class="expected" points="{line(expected)}"/>'
    yield f'<polyline class="measured" points="{line(measured)}"/>'
    for size, value in zip(sizes, measured):
        yield f'<circle class="dot" r="3" cx="{x(size):.1f}" cy="{y(value):.1f}"/>'


def main():
    rows = list(csv.DictReader(open(sys.argv[1])))
    kinds = list(dict.fromkeys(r["kind"] for r in rows))
    width, height = LEFT + len(kinds) * (WIDTH + GAP) - GAP + 30, TOP + HEIGHT + 50
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
             f"<style>{STYLE}</style>", '<rect class="back" width="100%" height="100%" fill="#fff"/>']
    for i, kind in enumerate(kinds):
        lines += panel(LEFT + i * (WIDTH + GAP), kind, [r for r in rows if r["kind"] == kind])
    lines.append(f'<text class="small" x="{LEFT}" y="{height - 12}">tokens/s against size; dashed: '
                 "if the time of a step grew as its FLOP</text></svg>")
    open(sys.argv[2], "w").write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

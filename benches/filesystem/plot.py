"""Bars as plain SVG: each workload has a panel and a scale of its own.

One scale for all would need to be logarithmic, and then a bar twice as long is
not twice as much.
"""

from html import escape

COLOURS = {"pxfs": "#d9622b", "pxfs-fast": "#e89a72", "pxfs-best": "#a8400f"}
PEER = "#8296ab"
COLUMNS, WIDTH, BAR, GAP, HEAD, MARGIN = 3, 300, 15, 5, 26, 16
LABEL, VALUE = 126, 58


def panel(title, bars, left, top):
    """One panel: a title and a bar for each (name, label, Spread, text)."""
    room = WIDTH - LABEL - VALUE
    most = max(spread.high for _, _, spread, _ in bars) or 1
    lines = [f'<text class="t" x="{left}" y="{top + 14}">{escape(title)}</text>']
    for number, (name, label, spread, text) in enumerate(bars):
        y = top + HEAD + number * (BAR + GAP)
        x, middle = left + LABEL, y + BAR / 2
        width = max(1, spread.median / most * room)
        low, high = (x + value / most * room for value in (spread.low, spread.high))
        lines += [
            f'<text x="{x - 6}" y="{y + 12}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{BAR}" '
            f'fill="{COLOURS.get(name, PEER)}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222"/>',
            f'<text x="{max(x + width, high) + 5:.1f}" y="{y + 12}">{escape(text)}</text>',
        ]
    return lines


def chart(title, note, panels):
    """A whole picture of panels (title, bars), in rows of COLUMNS."""
    rows = [panels[at:at + COLUMNS] for at in range(0, len(panels), COLUMNS)]
    lines, top = [], 58
    for row in rows:
        for column, (name, bars) in enumerate(row):
            lines += panel(name, bars, MARGIN + column * (WIDTH + MARGIN), top)
        top += HEAD + max(len(bars) for _, bars in row) * (BAR + GAP) + 14
    width = MARGIN + COLUMNS * (WIDTH + MARGIN)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
        f'width="{width}" height="{top}" font-family="sans-serif" font-size="11" fill="#222">',
        "<style>.t{font-weight:bold;font-size:12px}</style>",
        f'<rect width="{width}" height="{top}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="24" font-size="17" font-weight="bold">{escape(title)}</text>',
        f'<text x="{MARGIN}" y="42" fill="#555">{escape(note)}</text>',
    ]
    return "\n".join([*head, *lines, "</svg>", ""])

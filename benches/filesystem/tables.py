"""Results as Markdown tables."""

from .contestants import CONTESTANTS
from .images import MAKERS
from .unpack import UNPACKERS


def seconds(value):
    """A time with three digits that mean something."""
    if value < 0.1:
        return f"{value * 1000:.1f} ms"
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def megabytes(value):
    """A size in MB, as the others count them."""
    return f"{value / 1e6:.1f} MB"


def mebibytes(value):
    """Memory."""
    return f"{value / 2**20:.0f} MiB"


def cell(found, form):
    """A median, with its range if there is one."""
    if not found:
        return "-"
    if found.low == found.high:
        return form(found.median)
    return f"{form(found.median)} ({form(found.low)} .. {form(found.high)})"


def table(head, rows):
    """Lines of a Markdown table; all columns but the first are numbers."""
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, align, *rows]) + "\n"


def took_part(results, workloads):
    """The contestants that ran any of them, in the order of CONTESTANTS."""
    ran = {name for workload in workloads for name in results.contestants(workload.name)}
    return [contestant for contestant in CONTESTANTS if contestant.name in ran]


def title_of(workload):
    """What it is, and from where it starts."""
    return f"{workload.title}, {'warm' if workload.warm else 'cold'}"


def reading_table(results, workloads):
    """Times, and under each peer's the ratio of pxfs to it."""
    columns = took_part(results, workloads)
    rows = []
    for workload in workloads:
        row = [title_of(workload)]
        for column in columns:
            text = cell(results.spread(workload.name, column.name), seconds)
            ratio = results.ratio(workload.name, "pxfs", column.name)
            beside = f"<br>**{ratio.median:.2f}**" if ratio and column.name != "pxfs" else ""
            row.append(text + beside)
        rows.append(row)
    return table(["", *(column.title for column in columns)], rows)


def plain_table(results, workloads, what, form, served=False):
    """The medians of another field of the runs."""
    columns = [c for c in took_part(results, workloads) if c.served or not served]

    def value(workload, column):
        found = results.spread(workload.name, column.name, what)
        return form(found.high if what == "rss" else found.median) if found else "-"

    rows = [[title_of(w), *(value(w, column) for column in columns)] for w in workloads]
    return table(["", *(column.title for column in columns)], rows)


def making_table(results, workload):
    """Makers by size, time, processor time and memory, beside squashfs with zstd 15."""
    titles = {maker.name: maker.title for maker in MAKERS}
    peer = "squashfs-15"
    rows = []
    for name in [name for name in titles if results.of(workload, name)]:
        ratios = [results.ratio(workload, name, peer, what) for what in ("size", "seconds")]
        shown = [f"{ratio.median:.2f}" if ratio else "-" for ratio in ratios]
        rows.append([
            titles[name],
            cell(results.spread(workload, name, "size"), megabytes), shown[0],
            cell(results.spread(workload, name), seconds), shown[1],
            seconds(results.spread(workload, name, "cpu").median),
            mebibytes(results.spread(workload, name, "rss").high),
        ])
    return table(["", "size", "/ zstd 15", "time", "/ zstd 15", "processor", "memory"], rows)


def unpacking_table(results, workload):
    """Unpackers by time, processor time and memory."""
    rows = []
    for name in results.contestants(workload):
        ratio = results.ratio(workload, "pxfs", name)
        rows.append([
            UNPACKERS[name][0],
            cell(results.spread(workload, name), seconds),
            f"{ratio.median:.2f}" if ratio and name != "pxfs" else "",
            seconds(results.spread(workload, name, "cpu").median),
            mebibytes(results.spread(workload, name, "rss").high),
        ])
    return table(["", "time", "pxfs / this", "processor", "memory"], rows)

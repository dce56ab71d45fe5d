"""Makes the images of all contestants, and measures it."""

import json
from dataclasses import dataclass

from . import corpora, measure, program


@dataclass(frozen=True)
class Maker:
    """A command that makes an image, with the places of program.command."""

    name: str
    title: str
    argv: tuple

    def command(self, image, source):
        """The command for one image."""
        return program.command(self.argv, IMAGE=image, SOURCE=source)


def _pxfs(name, title, *options):
    argv = ("PXFS", "mkfs", "--quiet", "--progress", "none", *options, "IMAGE", "SOURCE")
    return Maker(name, title, argv)


def _squashfs(level):
    argv = ("mksquashfs", "SOURCE", "IMAGE", "-noappend", "-no-progress", "-quiet")
    zstd = ("-comp", "zstd", "-Xcompression-level", str(level))
    return Maker(f"squashfs-{level}", f"mksquashfs, zstd {level}", argv + zstd)


# mkfs.erofs 1.5 has lz4 and lz4hc only, and one thread. With clusters of 64 KiB
# (-C65536) instead of 4 KiB its image of the kernel's sources is a tenth smaller
# and takes twice the time.
EROFS = ("mkfs.erofs", "--quiet", "-zlz4hc", "IMAGE", "SOURCE")
MAKERS = (
    _pxfs("pxfs", "pxfs"),
    _pxfs("pxfs-fast", "pxfs --fast", "--fast"),
    _pxfs("pxfs-best", "pxfs --best", "--best"),
    _squashfs(15),
    _squashfs(3),
    Maker("erofs", "mkfs.erofs, lz4hc", EROFS),
)


def available():
    """The makers that this build has; what is left out is said."""
    known = measure.run([program.pxfs(), "mkfs", "--help"]).output
    makers = []
    for maker in MAKERS:
        options = [word for word in maker.argv if word in ("--fast", "--best")]
        if all(option in known for option in options):
            makers.append(maker)
        else:
            print(f"  left out: this pxfs mkfs has no {options[0]}")
    return makers


class Images:
    """The images in a folder, each with a note of what it was made from."""

    def __init__(self, folder, makers):
        self.folder = folder
        self.makers = {maker.name: maker for maker in makers}
        self.build = program.build()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, corpus, maker):
        """Where an image lies."""
        return self.folder / f"{corpus.name}.{maker}"

    def _key(self, corpus, maker):
        argv = self.makers[maker].argv
        build = self.build if argv[0] == "PXFS" else ""
        source = (str(corpus.path), corpus.files, corpus.bytes)
        return json.dumps([argv[1:], build, source])

    def make(self, corpus, maker):
        """Makes one image anew, and gives what that took."""
        image = self.path(corpus, maker)
        note = image.with_name(image.name + ".json")
        note.unlink(missing_ok=True)
        image.unlink(missing_ok=True)
        corpora.warm(corpus)
        # What the last one left to be written must not slow this one.
        measure.run(["sync"])
        taken = measure.run(self.makers[maker].command(image, corpus.path), peak=True)
        note.write_text(self._key(corpus, maker), encoding="utf-8")
        return taken

    def need(self, corpus, maker):
        """The path of an image, made now unless an equal one is there."""
        image = self.path(corpus, maker)
        note = image.with_name(image.name + ".json")
        if not note.exists() or note.read_text(encoding="utf-8") != self._key(corpus, maker):
            print(f"  making {image.name}", flush=True)
            self.make(corpus, maker)
        return image


def measure_making(images, corpus, round_number, results):
    """One round of all makers on a corpus, in an order that turns with the rounds."""
    for maker in turned(list(images.makers), round_number):
        taken = images.make(corpus, maker)
        size = images.path(corpus, maker).stat().st_size
        results.add(f"make-{corpus.name}", maker, round_number, taken, size=size)


def turned(items, by):
    """The list, begun at another place each round: nobody always comes first."""
    by %= len(items)
    return items[by:] + items[:by]

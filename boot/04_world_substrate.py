"""World substrate: loads the tiles of the first world under /worlds. A tile is
64 bytes of the world's content; its first four are its pixel on the frame, so
the frame is a map of the world."""

from pxi import *

FRAME = (64, 64)
TILE = 64
MAX_TILES = 4096

names = bytearray(4096)
path = bytearray(512)
content = bytearray(65536)
fields: list[u32] = [0] * 8


def set_path(length: int) -> int:
    """/worlds/ and the first `length` bytes of `names`; 0 if they do not fit."""
    begins = addr_of("/worlds/")
    if length + 8 > len(path):
        return 0
    for i in range(8):
        path[i] = peek_byte(begins + i)
    for i in range(length):
        path[8 + i] = names[i]
    return length + 8


def draw(got: int, tiles: int) -> int:
    """Draws the tiles of what was read; how many there are now."""
    at = 0
    while at < got and tiles < MAX_TILES:
        color = u32(content[at]) << 24
        if at + 3 < got:
            color = color | u32(content[at + 1]) << 16 | u32(content[at + 2]) << 8
            color = color | u32(content[at + 3])
        plot(tiles % 64, tiles // 64, color)
        tiles += 1
        at += TILE
    return tiles


def load(length: int) -> int:
    """Reads the world; how many tiles it has, -1 if it cannot be read."""
    tiles = 0
    offset = 0
    while tiles < MAX_TILES:
        got = read(view(path, 0, length), content, offset)
        if err() != 0:
            return -1
        if got == 0:
            break
        tiles = draw(got, tiles)
        offset += got
    return tiles


def first_world() -> int:
    """The length of the first world's path, which is then in `path`; 0: none."""
    seen = 0
    while True:
        # One name at a time: only the first file is wanted.
        got, count = list_names("/worlds", names, seen)
        if err() != 0 or count == 0:
            return 0
        end = 0
        while names[end] != 0:
            end += 1
        length = set_path(end)
        if length > 0 and stat(view(path, 0, length), fields) == 1:
            return length
        seen += 1


length = first_world()
if length == 0:
    print("world: nothing under /worlds, the world stays empty")
else:
    tiles = load(length)
    write("world: ")
    write(view(path, 0, length))
    if tiles < 0:
        print(" cannot be read")
        exit(1)
    print(",", tiles, "tiles")

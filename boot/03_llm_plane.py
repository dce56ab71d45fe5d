"""LLM plane: builds the routing table, by which every later request to a model
goes: which id stands for which model. No model is asked here.

First comes the cartridge that is called default, then the others of the
registry, each under its own id, then files with weights that lie in /models,
each under the id of its content. What comes first is asked for as id 0. At the
end the table is closed: no later stage may change it.
"""

from pxi import *

DIRECTORY = "/models/"
# Where a registry may lie: in a picture, and in a root, or a picture of one.
REGISTRY = "/models/llm_pixel_registry.json"
REGISTRY_OF_ROOT = "/.pxos/llm_pixel_registry.json"
MAX_REGISTRY = 1 << 17
MAX_NAME = 255
DEFAULT = b"default"

NOT_FOUND = 2
NO_ROOM = 5

source = bytearray(MAX_REGISTRY)
source_len = 0
at = 0

names = bytearray(16384)
path = bytearray(512)
path_len = 0
hex_id = bytearray(10)
routes = 0

fields: list[u32] = [0] * 8


def write_id(id: u32):
    """The id as 0x0123ABCD, in `hex_id`."""
    hex_id[0] = 48
    hex_id[1] = 120
    for i in range(8):
        digit = int((id >> (28 - 4 * i)) & 15)
        hex_id[2 + i] = digit + 48 if digit < 10 else digit + 55


def entered(id: u32, start: int, length: int, array: bytearray):
    """Says what became of a model that was to be entered."""
    global routes
    error = err()
    write_id(id)
    write("  ")
    write(hex_id)
    write(" ")
    write(view(array, start, length))
    if error == 0:
        write(" (default)\n" if routes == 0 else "\n")
        routes += 1
    elif error == NOT_FOUND:
        write(": there is none\n")
    elif error == NO_ROOM:
        write(": the routing table is full\n")
    else:
        print(": error", error)


def skip_text() -> bool:
    """Passes over a text, behind its first quote; whether it ends."""
    global at
    while at < source_len:
        c = source[at]
        at += 1
        if c == 34:
            return True
        if c == 92:
            at += 1
    return False


def skip_blanks():
    global at
    while at < source_len and (source[at] == 32 or source[at] >= 9 and source[at] <= 13):
        at += 1


def id_of(begins: int, ends: int) -> u32:
    """A key as a decimal number; 0 if it is none."""
    value: u32 = 0
    if begins == ends or ends - begins > 10:
        return 0
    for i in range(begins, ends):
        c = source[i]
        if c < 48 or c > 57:
            return 0
        digit = u32(c - 48)
        # 4294967295 is the largest id.
        if value > 429496729 or value == 429496729 and digit > 5:
            return 0
        value = value * 10 + digit
    return value


def is_name(begins: int, ends: int) -> bool:
    return (
        ends - begins == 4
        and source[begins] == 110
        and source[begins + 1] == 97
        and source[begins + 2] == 109
        and source[begins + 3] == 101
    )


def is_plain(begins: int, ends: int) -> bool:
    """Whether a text stands for itself, and could be a name."""
    if begins == ends or ends - begins > MAX_NAME or source[begins] == 47:
        return False
    for i in range(begins, ends):
        if source[i] == 92 or source[i] < 32:
            return False
    return True


def is_default(begins: int, ends: int) -> bool:
    """Whether a name is `default`, in upper or lower case."""
    if ends - begins != len(DEFAULT):
        return False
    for i in range(ends - begins):
        if source[begins + i] | 32 != DEFAULT[i]:
            return False
    return True


def enter_cartridge(id: u32, begins: int, ends: int, wanted: bool):
    """Enters a cartridge, by its name if that can be written, else by its id; only
    the default one if that is wanted, else only the others."""
    if id == 0 or is_default(begins, ends) != wanted:
        return
    if is_plain(begins, ends):
        route(view(source, begins, ends - begins), id)
        entered(id, begins, ends - begins, source)
    else:
        write_id(id)
        route(hex_id, id)
        entered(id, 0, 0, source)


def read_cartridges(wanted: bool):
    """Goes through the registry: an object of objects. Of each its key and its
    name are wanted; whether the rest can be used the host sees."""
    global at
    at = 0
    depth = 0
    id: u32 = 0
    name = 0
    name_end = 0
    while at < source_len:
        c = source[at]
        at += 1
        if c == 123 or c == 91:
            depth += 1
        elif c == 125 or c == 93:
            depth -= 1
            if depth == 1:
                enter_cartridge(id, name, name_end, wanted)
                id = 0
        elif c == 34:
            begins = at
            if not skip_text():
                return
            ends = at - 1
            skip_blanks()
            if at < source_len and source[at] == 58 and depth == 1:
                id = id_of(begins, ends)
                name = 0
                name_end = 0
            elif at < source_len and source[at] == 58 and depth == 2 and is_name(begins, ends):
                at += 1
                skip_blanks()
                if at < source_len and source[at] == 34:
                    at += 1
                    name = at
                    if not skip_text():
                        return
                    name_end = at - 1


def read_registry(place: str) -> bool:
    """Reads a registry; whether there is one."""
    global source_len
    if stat(place, fields) != 1:
        return False
    source_len = 0
    if fields[1] != 0 or fields[2] > MAX_REGISTRY:
        log("the registry of cartridges is too long for the routing table", 1, "llm-plane")
        return True
    while source_len < MAX_REGISTRY:
        got = read(place, view(source, source_len, MAX_REGISTRY - source_len), source_len)
        if err() != 0:
            log("the registry of cartridges cannot be read", 1, "llm-plane")
            return True
        if got == 0:
            break
        source_len += got
    read_cartridges(True)
    read_cartridges(False)
    return True


def set_path(start: int, length: int) -> bool:
    """DIRECTORY and a name; whether they fit."""
    global path_len
    begins = addr_of(DIRECTORY)
    path_len = len(DIRECTORY)
    if path_len + length > len(path):
        return False
    for i in range(path_len):
        path[i] = peek_byte(begins + i)
    for i in range(length):
        path[path_len + i] = names[start + i]
    path_len += length
    return True


def is_weights(start: int, length: int) -> bool:
    """Whether a name ends in .gguf."""
    end = start + length
    return (
        length > 5
        and names[end - 5] == 46
        and names[end - 4] == 103
        and names[end - 3] == 103
        and names[end - 2] == 117
        and names[end - 1] == 102
    )


def enter_weights(start: int, length: int):
    if not is_weights(start, length) or not set_path(start, length):
        return
    if stat(view(path, 0, path_len), fields) != 1:
        return
    id = fields[3]
    route(view(path, 0, path_len), id)
    entered(id, 0, path_len, path)


def find_weights():
    """Looks through the directory, part by part."""
    seen = 0
    while True:
        got, count = list_names("/models", names, seen)
        if err() != 0 or count == 0:
            return
        begins = 0
        for i in range(got):
            if names[i] == 0:
                enter_weights(begins, i - begins)
                begins = i + 1
        seen += int(count)


print("llm plane:")
if not read_registry(REGISTRY):
    read_registry(REGISTRY_OF_ROOT)
find_weights()
if routes == 0:
    print("llm plane: no cartridges and no weights, so no model can be asked")
else:
    print("llm plane:", routes, "models in the routing table")
policy('{"deny": ["ROUTE"]}')
if err() != 0:
    log("the routing table could not be closed", 1, "llm-plane")

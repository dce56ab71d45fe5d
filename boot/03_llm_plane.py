"""LLM plane: finds the model cartridges under /models and builds the routing
table: which name stands for which pixel id. No model is asked here."""

from pxi import *

DIRECTORY = "/models/"
MAX_ROUTES = 256

names = bytearray(16384)
path = bytearray(512)
path_len = 0

# The routing table: names as places in `table`, ids beside them.
table = bytearray(16384)
table_used = 0
route_at = [0] * MAX_ROUTES
route_len = [0] * MAX_ROUTES
route_id: list[u32] = [0] * MAX_ROUTES
routes = 0

fields: list[u32] = [0] * 8


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


def hex_of(id: u32):
    for i in range(8):
        digit = int((id >> (28 - 4 * i)) & 15)
        putc(digit + 48 if digit < 10 else digit + 55)


def route(start: int, length: int):
    """Enters a cartridge: any file there is one, its pixel is its number."""
    global routes, table_used
    if not set_path(start, length) or stat(view(path, 0, path_len), fields) != 1:
        return
    if routes >= MAX_ROUTES or table_used + length > len(table):
        log("more cartridges than the routing table holds", 1, "llm-plane")
        return
    for i in range(length):
        table[table_used + i] = names[start + i]
    route_at[routes] = table_used
    route_len[routes] = length
    route_id[routes] = fields[3]
    table_used += length
    routes += 1


def find_all() -> bool:
    """Looks through the directory, part by part; whether it is there."""
    seen = 0
    while True:
        got, count = list_names("/models", names, seen)
        if err() != 0:
            return False
        if count == 0:
            return True
        begins = 0
        for i in range(got):
            if names[i] == 0:
                route(begins, i - begins)
                begins = i + 1
        seen += int(count)


if find_all():
    print("llm plane:", routes, "cartridges")
    for n in range(routes):
        write("  0x")
        hex_of(route_id[n])
        write(" ")
        write(view(table, route_at[n], route_len[n]))
        write("\n")
else:
    print("llm plane: no /models, no cartridges")

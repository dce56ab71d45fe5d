"""The same calls to pxfs mcp and to the file system server of the protocol's makers,
by the Python client of the protocol: the answers must be the same.

usage: peers.py PXFS OFFICIAL...      OFFICIAL is the command of the other server

A tree is made; pxfs serves a picture of it and the directory itself, the other server
a copy. What a copy cannot have alike (times) is compared by its form. Then the same
calls are made in the newest version of the protocol, and over HTTP.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from mcp import Client, StdioServerParameters

failures = []
checks = 0


def check(what, one, other):
    """Notes a difference."""
    global checks
    checks += 1
    if one != other:
        failures.append(f"{what}\n   pxfs:  {one!r}\n   other: {other!r}")


def make_tree(root):
    (root / "docs/deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "hello.txt").write_text("hello\nworld")
    (root / "lines.txt").write_text("\n".join(f"line {n}" for n in range(1, 501)))
    (root / "docs/a.md").write_text("# A\n\nbody\n")
    (root / "docs/deep/b.py").write_text("print('b')\n")
    (root / "docs/deep/.hidden").write_text("x")
    (root / "empty.txt").write_text("")
    (root / "pixel.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "sound.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    (root / "blob.bin").write_bytes(bytes(range(256)))


class Server:
    """A server, and how paths are spelled for it."""

    def __init__(self, client, prefix):
        self.client, self.prefix = client, prefix

    def path(self, path):
        return self.prefix + path if self.prefix else path

    def plain(self, text):
        """An answer without the place where the tree lies."""
        return text.replace(self.prefix + "/", "/").replace(self.prefix, "/") if self.prefix else text

    async def call(self, tool, **arguments):
        spelled = {}
        for name, value in arguments.items():
            if name in ("path", "source", "destination"):
                value = self.path(value)
            elif name == "paths":
                value = [self.path(path) for path in value]
            spelled[name] = value
        result = await self.client.call_tool(tool, spelled)
        content = [block.model_dump(by_alias=True, exclude_none=True) for block in result.content]
        text = self.plain(json.dumps([content, result.structured_content]))
        return bool(result.is_error), json.loads(text)


def keys_of(answer):
    """get_file_info: the keys, with what must agree."""
    error, (content, structured) = answer
    pairs = dict(line.split(": ", 1) for line in content[0]["text"].splitlines())
    same = {key: pairs[key] for key in ("size", "isDirectory", "isFile", "permissions") if key in pairs}
    return error, list(pairs), same, structured == {"content": content[0]["text"]}


def sorted_lines(answer):
    """Answers of which the order is nobody's."""
    error, (content, structured) = answer
    lines = sorted(content[0]["text"].splitlines())
    return error, lines, structured == {"content": content[0]["text"]}


def as_tree(answer):
    """directory_tree: the JSON, each level by name."""

    def ordered(nodes):
        for node in nodes:
            ordered(node.get("children", []))
        nodes.sort(key=lambda node: node["name"])
        return nodes

    error, (content, _) = answer
    return error, ordered(json.loads(content[0]["text"]))


def without_uri(answer):
    """A file's own URI is of the server's scheme."""
    text = re.sub(r'"(pxfs|file)://[^"]*/', '"URI:/', json.dumps(answer))
    return json.loads(text)


def without_reason(answer):
    """read_multiple_files: each has its own words for why a file cannot be read."""
    error, (content, structured) = answer
    text = re.sub("Error - .*", "Error - why", content[0]["text"])
    return error, len(content), text, structured == {"content": content[0]["text"]}


def is_failure(answer):
    """An error: that it is one, and has one text."""
    error, (content, _) = answer
    return error, len(content), content[0]["type"]


CALLS = [
    ("list_directory", {"path": "/"}, sorted_lines),
    ("list_directory", {"path": "/docs"}, sorted_lines),
    ("list_directory", {"path": "/empty"}, None),
    ("list_directory_with_sizes", {"path": "/"}, sorted_lines),
    ("list_directory_with_sizes", {"path": "/docs", "sortBy": "size"}, sorted_lines),
    ("directory_tree", {"path": "/"}, as_tree),
    ("directory_tree", {"path": "/", "excludePatterns": ["deep", "*.txt"]}, as_tree),
    ("read_text_file", {"path": "/hello.txt"}, None),
    ("read_text_file", {"path": "/docs/a.md"}, None),
    ("read_text_file", {"path": "/empty.txt"}, None),
    ("read_text_file", {"path": "/lines.txt", "head": 3}, None),
    ("read_text_file", {"path": "/lines.txt", "tail": 3}, None),
    ("read_text_file", {"path": "/lines.txt", "head": 9999}, None),
    ("read_file", {"path": "/hello.txt"}, None),
    ("read_media_file", {"path": "/pixel.png"}, None),
    ("read_media_file", {"path": "/sound.wav"}, None),
    ("read_media_file", {"path": "/blob.bin"}, without_uri),
    ("read_multiple_files", {"paths": ["/hello.txt", "/docs/a.md"]}, None),
    ("read_multiple_files", {"paths": ["/hello.txt", "/none", "/docs"]}, without_reason),
    ("search_files", {"path": "/", "pattern": "**/*.py"}, sorted_lines),
    ("search_files", {"path": "/", "pattern": "*.txt"}, sorted_lines),
    ("search_files", {"path": "/", "pattern": "**/.hidden"}, sorted_lines),
    ("search_files", {"path": "/", "pattern": "**", "excludePatterns": ["docs/**", "*.*"]}, sorted_lines),
    ("search_files", {"path": "/", "pattern": "no-such-thing"}, None),
    ("search_files", {"path": "/docs", "pattern": "deep/*"}, sorted_lines),
    ("search_files", {"path": "/", "pattern": "{lines,hello}.txt"}, sorted_lines),
    ("list_allowed_directories", {}, None),
    ("get_file_info", {"path": "/hello.txt"}, keys_of),
    ("get_file_info", {"path": "/docs"}, lambda answer: keys_of(answer)[:2]),
    # What fails there fails here.
    ("read_text_file", {"path": "/none"}, is_failure),
    ("read_text_file", {"path": "/docs"}, is_failure),
    ("read_text_file", {"path": "/lines.txt", "head": 1, "tail": 1}, is_failure),
    ("read_text_file", {"path": "/../outside"}, is_failure),
    ("list_directory", {"path": "/hello.txt"}, is_failure),
    ("list_directory", {"path": "/none"}, is_failure),
    ("list_directory", {}, is_failure),
    ("read_multiple_files", {"paths": []}, is_failure),
]
CHANGES = [
    ("write_file", {"path": "/new.txt", "content": "one\ntwo\n"}, None),
    ("write_file", {"path": "/new.txt", "content": "one\n2\nthree\n"}, None),
    ("read_text_file", {"path": "/new.txt"}, None),
    ("create_directory", {"path": "/made/deep"}, None),
    ("create_directory", {"path": "/made"}, None),
    ("move_file", {"source": "/new.txt", "destination": "/made/moved.txt"}, None),
    ("move_file", {"source": "/hello.txt", "destination": "/made/moved.txt"}, is_failure),
    ("move_file", {"source": "/none", "destination": "/x"}, is_failure),
    ("edit_file", {"path": "/made/moved.txt", "edits": [{"oldText": "nowhere", "newText": "x"}]}, is_failure),
    ("edit_file", {"path": "/made/moved.txt", "edits": [{"oldText": "2\n", "newText": "two\n"}], "dryRun": True}, None),
    ("edit_file", {"path": "/made/moved.txt", "edits": [{"oldText": "2\n", "newText": "two\n"}]}, None),
    ("edit_file", {"path": "/none", "edits": [{"oldText": "a", "newText": "b"}]}, is_failure),
    ("write_file", {"path": "/made", "content": "x"}, is_failure),
    ("create_directory", {"path": "/lines.txt"}, is_failure),
    ("move_file", {"source": "/made", "destination": "/new"}, None),
    ("move_file", {"source": "/new", "destination": "/made"}, None),
    ("read_text_file", {"path": "/made/moved.txt"}, None),
    ("directory_tree", {"path": "/"}, as_tree),
]


async def compare(what, ours, other, calls):
    for tool, arguments, form in calls:
        form = form or (lambda answer: answer)
        one, two = await ours.call(tool, **arguments), await other.call(tool, **arguments)
        check(f"{what}: {tool} {arguments}", form(one), form(two))


async def compare_tools(ours, other):
    """Every tool of the other server is here, and takes the same arguments."""
    mine = {tool.name: tool for tool in (await ours.client.list_tools()).tools}
    theirs = (await other.client.list_tools()).tools
    for tool in theirs:
        check(f"tool {tool.name}", tool.name in mine, True)
        if tool.name not in mine:
            continue
        def shape(schema):
            properties = schema.get("properties", {})
            return sorted(properties), sorted(schema.get("required", []))
        own = mine[tool.name]
        check(f"arguments of {tool.name}", shape(own.input_schema), shape(tool.input_schema))
        check(f"{tool.name} reads only", own.annotations.read_only_hint, tool.annotations.read_only_hint)
        check(f"output of {tool.name}", shape(own.output_schema), shape(tool.output_schema))


def stdio(*command):
    return StdioServerParameters(command=command[0], args=list(command[1:]))


async def run(pxfs, official):
    with tempfile.TemporaryDirectory(prefix="pxfs-mcp-peers.") as name:
        temp = Path(name).resolve()
        for copy in ("ours", "theirs"):
            make_tree(temp / copy)
        picture = temp / "tree.png"
        subprocess.run([pxfs, "mkfs", "--quiet", picture, temp / "ours"], check=True)
        other = stdio(*official, str(temp / "theirs"))
        async with Client(other) as client:
            other = Server(client, str(temp / "theirs"))
            for place in (picture, temp / "ours"):
                async with Client(stdio(pxfs, "mcp", str(place), "--write"), mode="legacy") as client:
                    ours = Server(client, "")
                    await compare_tools(ours, other)
                    await compare(place.name, ours, other, CALLS)
                # The newest version of the protocol, which has no handshake.
                async with Client(stdio(pxfs, "mcp", str(place)), mode="2026-07-28") as client:
                    ours = Server(client, "")
                    await compare(f"{place.name}, 2026-07-28", ours, other, CALLS)
            async with Client(stdio(pxfs, "mcp", str(picture), "--write")) as client:
                await compare("picture changed", Server(client, ""), other, CHANGES)
        # Again from the start, with the directory.
        make_tree(temp / "again")
        async with Client(stdio(*official, str(temp / "again"))) as client:
            other = Server(client, str(temp / "again"))
            async with Client(stdio(pxfs, "mcp", str(temp / "ours"), "--write")) as client:
                await compare("directory changed", Server(client, ""), other, CHANGES)
        await over_http(pxfs, picture)


async def over_http(pxfs, picture):
    """The same client by HTTP: resources page by page, a tool, a file."""
    with subprocess.Popen([pxfs, "mcp", picture, "--http"], stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            async with Client(url) as client:
                resources = (await client.list_resources()).resources
                names = sorted(resource.name for resource in resources)
                check("resources over HTTP", {"docs/deep/b.py", "made/moved.txt"} <= set(names), True)
                read = await client.read_resource("pxfs:///docs/deep/b.py")
                check("a resource over HTTP", read.contents[0].text, "print('b')\n")
                listed = await client.call_tool("list_directory", {"path": "/docs"})
                check("a tool over HTTP", listed.content[0].text, "[FILE] a.md\n[DIR] deep")
        finally:
            server.kill()


def main():
    pxfs, *official = sys.argv[1:]
    asyncio.run(run(pxfs, official))
    for failure in failures:
        print(f"  DIFFERS    {failure}")
    print(f"  {checks} comparisons, {len(failures)} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

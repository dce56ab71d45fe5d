"""Lets a client that knows other names speak with pxfs mcp --http.

usage: rename.py URL        prints its own URL

The conformance client asks for tools and resources of a demonstration server by their
names (test_simple_text, test://static-text). In requests those are replaced by the
tool of ours, with arguments, that has an answer of that form; answers pass as they
are. What no tool of ours has the form of is not replaced.
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOOLS = {
    "test_simple_text": ("read_text_file", {"path": "/conformance/text.txt"}),
    "test_image_content": ("read_media_file", {"path": "/conformance/image.png"}),
    "test_audio_content": ("read_media_file", {"path": "/conformance/audio.wav"}),
    "test_embedded_resource": ("read_media_file", {"path": "/conformance/binary.bin"}),
    "test_error_handling": ("read_text_file", {"path": "/conformance/none"}),
    "test_tool_with_progress": ("run_module", {"path": "/conformance/long", "fuel": 2_000_000_000}),
    "test_reconnection": ("list_directory", {"path": "/"}),
}
RESOURCES = {
    "test://static-text": "pxfs:///conformance/text.txt",
    "test://static-binary": "pxfs:///conformance/image.png",
    "test://template/123/data": "pxfs:///conformance/template/123/data",
}
PASSED = ("content-type", "accept", "mcp-session-id", "mcp-protocol-version", "last-event-id")


def renamed(body):
    """A request with our names."""
    try:
        message = json.loads(body)
        params = message["params"]
    except (ValueError, KeyError, TypeError):
        return body
    if message.get("method") == "tools/call" and params.get("name") in TOOLS:
        params["name"], params["arguments"] = TOOLS[params["name"]]
    elif message.get("method") == "resources/read" and params.get("uri") in RESOURCES:
        params["uri"] = RESOURCES[params["uri"]]
    else:
        return body
    return json.dumps(message).encode()


class Handler(BaseHTTPRequestHandler):
    """Passes a request on, and its answer back as it comes."""

    target = None

    def beyond(self, host):
        """A Host or Origin as ours is to see it: this port is its own, names stay."""
        return host.replace(f":{self.server.server_port}", f":{self.target.port}")

    def do_any(self):
        length = int(self.headers.get("content-length") or 0)
        body = renamed(self.rfile.read(length)) if length else None
        headers = {name: self.headers[name] for name in PASSED if self.headers[name]}
        for name in ("host", "origin"):
            if self.headers[name]:
                headers[name] = self.beyond(self.headers[name])
        connection = http.client.HTTPConnection(self.target.netloc)
        connection.request(self.command, f"/mcp?{self.target.query}", body, headers)
        answer = connection.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        try:
            while piece := answer.read1(1 << 16):
                self.wfile.write(piece)
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.close()
        self.close_connection = True

    do_GET = do_POST = do_DELETE = do_any

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Handler.target = urlsplit(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/mcp", flush=True)
    server.serve_forever()

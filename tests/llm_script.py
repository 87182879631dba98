"""A model's server on loopback that answers to order, the last answer for ever.

    with ScriptedServer(status(429, retry_after="0.05"), chat("hello")) as server:
        httpx.post(f"{server.url}/chat/completions", json={...})
        server.seen[0].body["messages"]

An answer is a `Reply`, a function of what was asked that gives one, `CUT` (the connection ends in
the middle of the body) or `SILENT` (nothing comes until the server is closed).
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Any


CUT, SILENT = "cut", "silent"
Answer = Reply | str | Callable[[Asked], Reply]


def reply(status: int, body: object, **headers: str) -> Reply:
    return Reply(status, orjson.dumps(body), headers)


def status(code: int, message: str = "not now", retry_after: str = "") -> Reply:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return reply(code, {"error": {"message": message, "code": code}}, **headers)


def chat(text: str, finish: str = "stop", tokens: tuple[int, int] = (10, 5)) -> Reply:
    """A chat completion as OpenAI's reference shows it."""
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
    }
    choices = [{"index": 0, "finish_reason": finish, "message": message}]
    return reply(200, {"object": "chat.completion", "choices": choices, "usage": usage})


def chats(*values: object) -> list[Reply]:
    """Chat completions whose texts are JSON."""
    return [chat(json.dumps(value)) for value in values]


def echo(asked: Asked) -> Reply:
    """The last message, said back."""
    return chat(asked.body["messages"][-1]["content"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, body)
        answer = self.server.owner.next(asked)
        if answer == SILENT:
            self.server.owner.closing.wait(30)
            self.close_connection = True
            return
        given = chat("whole") if answer == CUT else answer
        assert isinstance(given, Reply)
        self.send_response(given.status)
        for name, value in {"Content-Type": "application/json", **given.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(given.body)))
        self.end_headers()
        if answer == CUT:
            self.wfile.write(given.body[: len(given.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(given.body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: "ScriptedServer"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that goes away is no news


class ScriptedServer:
    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[Asked] = []
        self.closing = threading.Event()
        self._guard = threading.Lock()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def next(self, asked: Asked) -> Reply | str:
        with self._guard:
            self.seen.append(asked)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(asked) if callable(answer) else answer

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

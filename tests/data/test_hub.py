"""The hub is asked only for what is not on the disk, and whatever goes wrong ends in one sentence, soon."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import are_progress_bars_disabled

from benchmark import hub
from benchmark.data.captioned import Captioned
from benchmark.data.labelled import Labelled
from benchmark.errors import ClipdefenseError, UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """A hub with the given files of 'owner/set', by path, and the branch of converted files beside them."""

    def __init__(self, files, converted=None, refusal=None, silent=None):
        self.branches = {"main": files, "refs/convert/parquet": converted or {}}
        self.refusal, self.silent, self.asked = refusal, silent, []
        super().__init__(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, content=b"", **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.replace("%2F", "/")
        self.server.asked.append(path)
        if path != "/" and self.server.silent is not None:
            self.server.silent.wait(30)
            return None
        if path != "/" and self.server.refusal:
            status, code = self.server.refusal
            return self.reply(status, X_Error_Code=code, X_Error_Message="no")
        if path.startswith("/api/datasets/owner/set/revision/"):
            files = self.server.branches[path.partition("/revision/")[2].partition("?")[0]]
            listed = {"id": "owner/set", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            return self.reply(200, json.dumps(listed).encode(), Content_Type="application/json")
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        for files in self.server.branches.values():
            if name in files:
                return self.reply(200, files[name], ETag=f'"{name.replace("/", "-")}"', X_Repo_Commit=COMMIT)
        return self.reply(200 if path == "/" else 404, X_Error_Code="" if path == "/" else "EntryNotFound")


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Starts a fake hub and makes it the hub, with an empty local cache."""
    started = []

    def start(*args, **others):
        server = FakeHub(*args, **others)
        started.append(server)
        monkeypatch.setattr(hub, "endpoint", lambda: server.address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def content(folder):
    return {
        f"data/{split}-00000-of-00001.parquet": (folder / f"{split}.parquet").read_bytes()
        for split in ("train", "test")
    }


def test_a_set_on_the_hub_loads_like_its_files(serve, content, folder):
    serve({"README.md": b"hello", **content})
    remote = Labelled(path="owner/set").load("train", 20, 8)
    local = Labelled(path=str(folder)).load("train", 20, 8)
    rows = torch.arange(20)
    assert torch.equal(remote.images[rows], local.images[rows])
    assert remote.labels.tolist() == local.labels.tolist()


def test_only_the_files_of_the_split_are_fetched(serve, content):
    server = serve(content)
    Labelled(path="owner/set").load("train", 20, 8)
    assert not [path for path in server.asked if "test-00000" in path]


def test_what_was_fetched_once_needs_no_network_again(serve, content, monkeypatch):
    server = serve(content)
    first = Labelled(path="owner/set").load("train", 20, 8)
    server.shutdown()
    server.server_close()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    again = Labelled(path="owner/set")
    assert again.load("train", 30, 8).captions[:20] == first.captions
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids asking"):
        again.load("test", 5, 8)


def test_a_set_in_another_format_is_read_from_its_converted_branch(serve, content):
    converted = {f"default/{name.split('-')[0].split('/')[1]}/0000.parquet": data for name, data in content.items()}
    serve({"images.zip": b"PK", "README.md": b""}, converted={**converted, "default/partial-train/0000.parquet": b""})
    assert len(Labelled(path="owner/set").load("test", None, 8)) == 40


def test_shards_on_the_hub_are_fetched_as_far_as_asked(serve, tmp_path, shard, encoded):
    files = {}
    for part in range(3):
        members = [m for n in range(20) for m in ((f"{n}.png", encoded(n)), (f"{n}.txt", b"words"))]
        files[f"web-train-{part:04d}.tar"] = shard(tmp_path / "t.tar", members).read_bytes()
    server = serve(files)
    Captioned(path="owner/set", shards=1).load("train", 4, 8)
    assert {path.rpartition("/")[2] for path in server.asked if path.endswith(".tar")} == {"web-train-0000.tar"}


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ((401, "RepoNotFound"), "there is no dataset 'owner/set' on http"),
        ((403, "GatedRepo"), "is gated; accept its terms there and run 'hf auth login'"),
        ((404, "RevisionNotFound"), "there is no dataset 'owner/set'"),
        ((418, ""), "could not be fetched from 'owner/set' on http"),
    ],
)
def test_a_refusal_of_the_hub_is_one_sentence(serve, content, refusal, sentence):
    serve(content, refusal=refusal)
    with pytest.raises(ClipdefenseError, match=sentence) as caught:
        Labelled(path="owner/set").load("train", 5, 8)
    assert "\n" not in str(caught.value)


def test_a_download_that_is_an_html_page_is_refused(serve, content):
    serve(dict.fromkeys(content, b"<!doctype html><p>try later"))
    with pytest.raises(UserError, match="is an HTML page instead of data"):
        Labelled(path="owner/set").load("train", 5, 8)


def test_without_a_network_one_sentence_says_what_and_where(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(hub, "endpoint", lambda: f"http://127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(
            UserError, match=r"dataset 'owner/set', which is no folder here, is not in the local cache"
        ) as caught:
            Labelled(path="owner/set").load("train", 5, 8)
    assert time.monotonic() - started < 20
    assert "'owner/set' on http://127.0.0.1" in str(caught.value)
    assert "set 'path' to a local copy" in str(caught.value)


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert not hub.answers(f"http://127.0.0.1:{silent.getsockname()[1]}", patience=0.3)
    assert time.monotonic() - started < 10
    assert 2 * hub.PATIENCE <= 20


def test_a_hub_that_is_there_but_hands_nothing_out_is_given_up(serve, content, monkeypatch):
    over, answers = threading.Event(), hub.answers
    serve(content, silent=over)
    monkeypatch.setattr(hub, "answers", lambda address: answers(address, patience=0.3))
    started = time.monotonic()
    for repository, kind in (("owner/set", "dataset"), ("owner/weights", "model")):
        with pytest.raises(UserError, match=f"it is not in the local cache, and '{repository}' on http.* cannot be"):
            hub.fetch(kind, repository, ["a.bin"], "it")
    with pytest.raises(UserError, match="which is no folder here, is not in the local cache"):
        Labelled(path="owner/set").load("train", 5, 8)
    assert time.monotonic() - started < 20
    over.set()


def test_a_name_that_takes_for_ever_to_resolve_is_given_up(monkeypatch):
    over = threading.Event()

    def resolve(*_, **__):
        over.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    started = time.monotonic()
    assert not hub.answers("http://example.invalid", patience=0.3)
    assert time.monotonic() - started < 5
    over.set()


def test_asking_leaves_progress_bars_as_they_were(serve, content):
    serve(content)
    before = are_progress_bars_disabled()
    Labelled(path="owner/set").load("train", 5, 8)
    assert are_progress_bars_disabled() == before

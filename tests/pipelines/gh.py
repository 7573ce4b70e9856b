"""`gh` as the steps call it: the words and options that they use, and no others, towards the forge at FORGE_URL."""

import argparse
import io
import json
import os
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

REPOSITORY = "team/clusters"


def ask(method, path, **fields):
    data = urllib.parse.urlencode(fields).encode() if fields else None
    request = urllib.request.Request(f"{os.environ['FORGE_URL']}/{path}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def api(words):
    parser = argparse.ArgumentParser("gh api", allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--field", default="")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    given = parser.parse_args(words)
    name, _, file = given.field.partition("=@")
    said = ask(given.method, given.path, **({name: Path(file).read_text()} if name else {}))
    return b"" if given.silent else said


def download(words):
    parser = argparse.ArgumentParser("gh run download", allow_abbrev=False)
    parser.add_argument("run")
    for option in ("--repo", "--name", "--dir"):
        parser.add_argument(option, required=True)
    given = parser.parse_args(words)
    archive = zipfile.ZipFile(io.BytesIO(ask("GET", f"repos/{given.repo}/actions/runs/{given.run}/{given.name}")))
    Path(given.dir).mkdir()
    for name in archive.namelist():  # GitHub keeps what is in the folder that was given, without that folder
        (Path(given.dir) / Path(name).name).write_bytes(archive.read(name))
    return b""


def issue(verb, words):
    parser = argparse.ArgumentParser(f"gh issue {verb}", allow_abbrev=False)
    options = {
        "list": ("--state", "--limit", "--json"),
        "create": ("--title", "--body-file"),
        "edit": ("number", "--body-file"),
        "close": ("number", "--comment"),
    }
    for option in ("--repo", *options[verb]):
        parser.add_argument(option, **({"required": True} if option.startswith("--") else {}))
    given = parser.parse_args(words)
    path = f"repos/{given.repo}/issues"
    if verb == "list":
        kept = given.json.split(",")
        return json.dumps([{name: found[name] for name in kept} for found in json.loads(ask("GET", path))]).encode()
    if verb == "close":
        ask("PATCH", f"{path}/{given.number}", comment=given.comment, state="closed")
        return b""
    body = Path(given.body_file).read_text()
    if verb == "edit":
        ask("PATCH", f"{path}/{given.number}", body=body)
    else:
        ask("POST", path, title=given.title, body=body)
    return b""


def main(words):
    assert os.environ["GH_TOKEN"], "gh wants GH_TOKEN"
    if words[0] == "api":
        said = api(words[1:])
    elif words[:2] == ["run", "download"]:
        said = download(words[2:])
    else:
        assert words[0] == "issue", words
        said = issue(words[1], words[2:])
    sys.stdout.buffer.write(said)


if __name__ == "__main__":
    main(sys.argv[1:])

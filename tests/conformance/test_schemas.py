"""Every JSON document that our command prints is as its schema in the handbook says, with no field besides."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

import ours
from records import event
from test_redis import orders, server  # noqa: F401

SCHEMAS = Path(__file__).parents[2] / "www/book/src/schemas"
FIXTURES = Path(__file__).parents[1] / "fixtures"
LOG = b"".join(event(number, name) + b"\n" for number, name in enumerate(["ActorStarted", "ActorStopped"]))
SEEN: set[str] = set()


def strict(schema: object) -> object:
    """The schema, with every object closed: what is printed must be described."""
    if isinstance(schema, dict):
        closed = {key: strict(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            closed["unevaluatedProperties"] = False
        return closed
    return [strict(value) for value in schema] if isinstance(schema, list) else schema


def check(document: dict) -> dict:
    name = document["schema"]
    SEEN.add(name)
    schema = strict(json.loads((SCHEMAS / f"{name.replace('/', '-')}.json").read_text()))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


def run(folder: Path, command: str, *codes: int, **environment: str) -> dict:
    answer = ours.papyra(*command.split(), "--format", "json", cwd=folder, **environment).exits(*codes)
    if answer.err.startswith(b"{"):
        check(json.loads(answer.err))
    return check(answer.report)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "p"
    logs.mkdir()
    (logs / "events.ndjson").write_bytes(LOG + b"damage\n" + LOG + event(9, "ActorCrashed")[:40])
    (logs / "rot.log").write_bytes(LOG)
    (logs / "rot.log.1").write_bytes(LOG)
    (logs / "rot.log.3").write_bytes(LOG)
    (tmp_path / "papyra.toml").write_text('path = "p/events.ndjson"\n[redis]\nurl = "redis://u:pw@h/0"\n')
    return tmp_path


def test_documents_about_files(folder: Path):
    run(folder, "persistence scan --path p", 2)
    run(folder, "persistence inspect --path p/events.ndjson", 0)
    run(folder, "persistence startup-check --path p/nothing", 0)
    run(folder, "persistence startup-check --path p/events.ndjson", 1)
    run(folder, "backup create --path p --to kept --name one", 2)
    run(folder, "backup verify kept/one", 2)
    run(folder, "backup drill kept/one", 0, 2)
    run(folder, "backup ls kept/one", 0)
    check(json.loads((folder / "kept/one/manifest.json").read_text()))
    run(folder, "backup list kept", 2)
    run(folder, "backup prune kept --keep-last 1", 0)
    run(folder, "backup restore kept/one --to restored", 0)
    run(folder, "backup diff kept/one restored", 0)
    password = {"RESTIC_PASSWORD": "correct horse"}
    run(folder, "backup init repository", 0, **password)
    run(folder, "backup create --path restored --to repository --name one", 2, **password)
    run(folder, "backup verify repository/one", 2, **password)
    run(folder, "backup verify --all repository", 2, **password)
    run(folder, "backup list repository", 2, **password)
    log = folder / "kept/one/events.ndjson"
    log.write_bytes(log.read_bytes() + b"x")
    run(folder, "backup verify kept/one", 2)
    run(folder, "persistence recover --path p/rot.log --dry-run", 0)
    run(folder, "persistence recover --path p --mode quarantine --quarantine-dir q", 0, 3)
    run(folder, "persistence compact --path p/events.ndjson --max-records 1", 0)
    run(folder, "doctor run --path p/events.ndjson --mode recover", 0)
    run(folder, "doctor checklist --path p --backups kept", 0, 2)
    run(folder, "config show", 0)
    (folder / "p/events.ndjson").write_bytes(LOG + b"damage\n")
    answer = ours.papyra("scan", "p/events.ndjson", "--follow", "--format", "ndjson", cwd=folder).exits(2)
    check(json.loads(answer.out))
    for command in ["scan missing", "scan --nonsense", "backup verify missing", "backup prune kept"]:
        answer = ours.papyra(*command.split(), "--json", cwd=folder).exits(64, 66)
        assert check(json.loads(answer.err))["code"] == answer.code and not answer.out


def test_documents_about_redis(orders, folder: Path):  # noqa: F811
    to = {"PAPYRA_REDIS_URL": orders.url, "PAPYRA_BACKEND": "redis", "PAPYRA_SYSTEM_ID": "orders"}
    for command, *codes in [
        ("persistence scan", 2),
        ("persistence inspect", 0),
        ("doctor checklist", 2),
        ("redis groups list", 0),
        ("redis pending", 0),
        ("redis claim --kind events --group shipping --consumer c3 --min-idle 0.001 --limit 3", 0),
        ("redis ack --kind events --group shipping --from c3", 0),
        ("redis groups ensure --group new", 0),
        ("redis groups delete --group new --kind audits", 0),
        ("backup create --to kept --name streams", 2),
        ("backup verify kept/streams", 2),
        ("backup drill kept/streams", 0, 2),
        ("backup restore kept/streams --replace --dry-run", 0),
        ("backup restore kept/streams --replace", 0),
        ("persistence recover --dry-run", 0),
        ("persistence recover --mode quarantine", 0),
        ("persistence compact --max-records 10 --dry-run --force", 0),
    ]:
        run(folder, command, *codes, **to)
    shutil.copy(FIXTURES / "redis/dump.rdb", folder)
    run(folder, "persistence scan --path dump.rdb", 0, 2)
    run(folder, "inspect groups --path dump.rdb", 0)
    run(folder, "inspect pending --path dump.rdb", 0)
    run(folder, "redis export --path dump.rdb --to exported", 0, 2)


def test_every_schema_was_seen():
    """Runs after the others: a schema that no document was held against proves nothing."""
    names = {path.stem.replace("-", "/") for path in SCHEMAS.glob("*.json")}
    assert SEEN == names

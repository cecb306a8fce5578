"""The YAML files under native/ops parse, and say what a cluster and a CI service look for."""

from pathlib import Path

import pytest
import yaml

OPS = Path(__file__).parents[2] / "native" / "ops"


@pytest.mark.parametrize("path", sorted(OPS.glob("*.y*ml")), ids=lambda path: path.name)
def test_each_file_parses(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_the_cron_job_reads_the_log_and_writes_the_backups() -> None:
    job = yaml.safe_load((OPS / "kubernetes-cronjob.yaml").read_text())
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount.get("readOnly", False) for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"persistence": True, "backups": False}
    assert {volume["name"] for volume in pod["volumes"]} == set(mounts)
    assert len(job["spec"]["schedule"].split()) == 5

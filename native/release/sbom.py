"""Turns what `cargo metadata` prints into a CycloneDX SBOM of the binary. Usage: cargo metadata … | sbom.py VERSION"""

import json
import sys

metadata, version = json.load(sys.stdin), sys.argv[1]
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = next(package["id"] for package in metadata["packages"] if package["name"] == "papyra")

# What the binary is built of: everything that it needs for more than its tests.
reached, left = {root}, [root]
while left:
    for dependency in nodes[left.pop()]["deps"]:
        kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
        if kinds != {"dev"} and dependency["pkg"] not in reached:
            reached.add(dependency["pkg"])
            left.append(dependency["pkg"])


def url(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict) -> dict:
    entry = {"type": "library", "bom-ref": url(package), "name": package["name"], "version": package["version"]}
    entry["purl"] = url(package)
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return entry


others = sorted((packages[id] for id in reached if id != root), key=lambda package: (package["name"], package["version"]))
dependencies = []
for package in [packages[root], *others]:
    needs = {url(packages[dep["pkg"]]) for dep in nodes[package["id"]]["deps"] if dep["pkg"] in reached}
    dependencies.append({"ref": url(package), "dependsOn": sorted(needs)})
document = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": {**component(packages[root]), "type": "application", "version": version}},
    "components": [component(package) for package in others],
    "dependencies": dependencies,
}
json.dump(document, sys.stdout, indent=1, sort_keys=True)
print()

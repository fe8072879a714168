"""The calls of `conda` that Snakemake and `envs/pins.sh` make, answered by rattler, a real solver of conda
environments (https://github.com/conda/rattler), from a channel on this disk.

conda.py CHANNELS ROOT ARGUMENTS...: CHANNELS is a folder with a channel in it for each name.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import rattler
import yaml
from rattler.index import index_fs

PLATFORM = "linux-64"


def main(channels: Path, root: Path, arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print("conda 25.9.0")
    elif arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(root), "platform": PLATFORM}, indent=2))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:1] == ["clean"]:
        pass
    elif arguments[:1] == ["index"]:
        asyncio.run(index_fs(channels / arguments[1]))
    elif arguments[:1] == ["list"]:
        list_explicit(Path(parsed(arguments[1:]).prefix))
    elif "create" in arguments[:2]:
        given = parsed(arguments[arguments.index("create") + 1 :])
        asyncio.run(create(channels, root, Path(given.file), Path(given.prefix)))
    else:
        sys.exit(f"conda: {arguments} is not known here")


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for option in ("--quiet", "--yes", "--no-default-packages", "--explicit", "--md5"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--file")
    parser.add_argument("--prefix", required=True)
    return parser.parse_args(arguments)


async def create(channels: Path, root: Path, file: Path, prefix: Path) -> None:
    """Environment of a YAML file, or of a list of URLs with checksums (`@EXPLICIT`)."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if "@EXPLICIT" in lines:
        urls = [line for line in lines if "#" in line and not line.startswith("#")]
        names, specs = list({url.rsplit("/", 3)[1] for url in urls}), map(_pinned, urls)
    else:
        urls = []
        asked = yaml.safe_load("\n".join(lines))
        names, specs = asked["channels"], asked["dependencies"]
    gateway = rattler.Gateway(cache_dir=root / "repodata")
    found = await rattler.solve(
        [rattler.Channel((channels / name).as_uri()) for name in names],
        list(specs),
        platforms=[PLATFORM, "noarch"],
        channel_priority=rattler.ChannelPriority.Strict,
        gateway=gateway,
    )
    if urls and {_url(record) for record in found} != set(urls):
        sys.exit("the channel does not hold what is pinned")
    await rattler.install(
        found, target_prefix=prefix, cache_dir=root / "packages", show_progress=False
    )


def _pinned(url: str) -> str:
    name, version, build = url.rsplit("/", 1)[1].split(".tar.bz2")[0].rsplit("-", 2)
    return f"{name} =={version} {build}"


def _url(record: rattler.RepoDataRecord) -> str:
    return f"{record.url}#{record.md5.hex()}"


def list_explicit(prefix: Path) -> None:
    print("@EXPLICIT")
    for path in sorted(prefix.glob("conda-meta/*.json")):
        print(_url(rattler.PrefixRecord.from_path(path)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

#!/bin/sh
# Adds to the conda environment of shots.yaml what conda-forge lacks, as requirements.lock has it. Snakemake runs
# this after it has made the environment; nothing else is fetched, and what is fetched has these hashes.
set -eu
python -m pip install --quiet --no-input --no-deps --require-hashes -r /dev/stdin <<'LOCKED'
cfel-fmt==2.2.0 \
    --hash=sha256:2c7301bce98f949e5f7996834b68b8cc7df702c94f118b688067410a74e8875b \
    --hash=sha256:b0d8e024f9fd0c3d1d92840e41e3898e1f86fd85806c1275a8e9553c820efee1
extra-data==1.25.0 \
    --hash=sha256:8de1210185d78fee7879aad50a29457d981a19fbf9c49cf0d5fb76922f8aded5 \
    --hash=sha256:9d0f414002130caad9bf37884b7e33fdad49e9db7d3c6c6e2d56782d63747dff
extra-geom==1.17.0 \
    --hash=sha256:68374d4d5ffc0fdf16381bef5b9686db1a2a2b6f06cf91e0800d7f16df463033 \
    --hash=sha256:c2621f9435b4f75ec7442c9034a80f772f13fbf23f4d0033fb900480da3c7bb6
LOCKED

#!/bin/sh
# Write envs/NAME.PLATFORM.pin.txt, the exact packages of each environment: envs/pins.sh [NAME...]
#
# Needs conda and its channel. Snakemake then makes the environment NAME of these files, checksums compared,
# instead of solving it; where that fails it goes back to NAME.yaml.
set -eu

cd "$(dirname "$0")"
platform=$(conda info --json | sed -n 's/.*"platform": *"\([^"]*\)".*/\1/p')
[ -n "$platform" ] || { echo "error: conda does not say what platform this is" >&2; exit 1; }
if [ $# -eq 0 ]; then
    # `workflow` is made by hand, not by Snakemake.
    for file in *.yaml; do [ "$file" = workflow.yaml ] || set -- "$@" "${file%.yaml}"; done
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name; do
    conda env create --quiet --file "$name.yaml" --prefix "$folder/$name" >&2
    conda list --explicit --md5 --prefix "$folder/$name" > "$folder/$name.txt"
    mv "$folder/$name.txt" "$name.$platform.pin.txt"
    echo "envs/$name.$platform.pin.txt" >&2
done

#!/usr/bin/env bash
# Generates src/<layer>/wire/*.{js,d.ts} from proto/<layer>/*.proto.
# protons writes TypeScript with namespaces, which Node's type stripping cannot run, so its output is compiled to
# JavaScript with declarations; both are checked in.
set -euo pipefail
cd "$(dirname "$0")/.."
for layer in content swarm transfer; do
  protos=(proto/"$layer"/*.proto)
  [ -e "${protos[0]}" ] || continue
  out=src/$layer/wire
  work=$(mktemp -d "$PWD/.proto-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  for proto in "${protos[@]}"; do npx --no-install protons "$proto" --output "$work"; done
  npx --no-install tsc --ignoreConfig --target esnext --module nodenext --moduleResolution nodenext --declaration \
    --strict --skipLibCheck --types node --removeComments false --outDir "$work/out" "$work"/*.ts
  mkdir -p "$out"
  rm -f "$out"/*.js "$out"/*.d.ts
  cp "$work"/out/*.js "$work"/out/*.d.ts "$out"/
  rm -rf "$work"
done

#!/bin/sh
# Builds the images from what `pnpm build` made. Nothing is fetched but the bases, and those by digest.
set -eu

usage() {
  echo "Usage: pnpm images --base IMAGE@sha256:... [--runner-base IMAGE@sha256:...] [--tag TAG]

  --base         has Node 26 at /nodejs/bin, /usr/local/bin or /usr/bin; without a shell where you can have that
  --runner-base  has besides bubblewrap 0.11 or later, Perl, gcc and a static libc; without it no runner is built
  --tag          of the images sallyport-edge, -connector, -runner, -broker, -collector and -cli (default: latest)" >&2
  exit 64
}

# A tag is whatever somebody pushed last; a digest is what was reviewed.
pinned() {
  printf %s "$2" | grep -Eq '^([^@ ]+@)?sha256:[0-9a-f]{64}$' && return
  echo "$1 $2: name the image by its digest, like IMAGE@sha256:..." >&2
  exit 64
}

base='' runner_base='' tag=latest
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --base) pinned "$1" "$2"; base=$2 ;;
    --runner-base) pinned "$1" "$2"; runner_base=$2 ;;
    --tag) tag=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$base" ] || usage

here=$(cd "$(dirname "$0")" && pwd)
apps=$here/../../apps
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT INT TERM
cp "$here/health.mjs" "$context"
mkdir "$context/empty"

for app in edge connector runner broker collector cli; do
  [ -f "$apps/$app/dist/main.js" ] || { echo "apps/$app/dist/main.js is missing: pnpm build makes it" >&2; exit 1; }
  mkdir "$context/$app"
  # Without source maps: they are two thirds of it, and nothing reads them.
  (cd "$apps/$app/dist" && tar -cf - --exclude='*.map' .) | tar -xf - -C "$context/$app"
  echo '{ "type": "module" }' > "$context/$app/package.json"
  # The policy engine loads its WebAssembly from beside itself: of its package, what Node loads.
  cedar=$apps/connector/node_modules/@cedar-policy/cedar-wasm
  case $app in connector | runner | cli)
    to=$context/$app/node_modules/@cedar-policy/cedar-wasm
    mkdir -p "$to"
    cp -R "$cedar/package.json" "$cedar/nodejs" "$to" ;;
  esac
done
chmod -R a+rX "$context"

images='edge connector broker collector cli'
[ -z "$runner_base" ] || images="$images runner"
for image in $images; do
  docker build --quiet --file "$here/Dockerfile" --target "$image" --tag "sallyport-$image:$tag" \
    --build-arg "BASE=$base" --build-arg "RUNNER_BASE=${runner_base:-scratch}" "$context" > /dev/null
  echo "sallyport-$image:$tag"
done

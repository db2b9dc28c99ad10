#!/bin/sh
# A registry for the time of a CI job: it needs no daemon, no image and no rights, and its
# content is a layout, which the next job may find in a cache. PORT=0 is any free port.
set -eu

layform apply --auto-approve

layform serve --writable --quiet --listen "127.0.0.1:${PORT:-5000}" dist/registry > dist/serving &
server=$!
trap 'kill $server; wait $server' EXIT
until [ -s dist/serving ]; do kill -0 $server; sleep 0.1; done
host=$(sed 's|.* at http://||' dist/serving)

# What a job does: docker build --push, skopeo copy, helm push, tests of a client, …
layform push "docker://$host/team/app"
layform pull "docker://$host/team/app:v1.0.0" oci:dist/pulled:v1.0.0
layform layout validate dist/pulled

#!/usr/bin/env bash
# reviewed.sh: brings the plan of the pull request that this commit merged, as plan/, and prints its SHA-256.
#
# That is the one which the comment on the pull request shows: the plan is run, so it must be what people read.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
load_forge

merged=$(merged_request)
read -r request head <<<"$merged"
[ -n "$request" ] || fail "No pull request was merged by this commit, so no plan of it was reviewed." "$by_hand"

rm -rf plan
download_plan "$request" "$head" >&2
[ -f plan/saved.plan ] || fail "No plan was kept of $head, the last commit of pull request $request." "$by_hand"

shown=$(own_comment "$request" | jq --raw-output .body | tr -d '\r' |
    sed -n 's/^Saved plan: sha256:\([0-9a-f]\{64\}\)$/\1/p' | tail -n 1)
[ "$(digest plan/saved.plan)" = "$shown" ] ||
    fail "The plan that was kept of pull request $request is not the one in its comment (sha256:$shown)." "$by_hand"
echo "$shown"

#!/usr/bin/env bash
# apply.sh: applies exactly plan/saved.plan, which must have the SHA-256 $PLAN_SHA256.
#
# Without PLAN_SHA256, it first brings the plan that was reviewed in the pull request. Where main, the secrets or the
# state moved since a plan was made, anywhere refuses it, and nothing changes.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=common.sh
source "$here/common.sh"
load_forge

sha256=${PLAN_SHA256:-$("$here/reviewed.sh")}
[ "$(digest plan/saved.plan)" = "$sha256" ] ||
    fail "plan/saved.plan is not the plan that was made (sha256:$sha256)." "Nothing was changed. $by_hand"
if [ "$(<plan/status)" = 0 ]; then
    echo "The plan changes nothing, so there is nothing to apply."
    exit
fi

apply() { anywhere apply "$DEFINITION" --plan plan/saved.plan --yes "${may_destroy[@]}"; }

if ! apply 2>&1 | tee plan/log; then
    ! grep --quiet 'is out of date' plan/log || printf 'hint: %s\n' "$by_hand" >&2
    # Terraform leaves the state here where it cannot store it, and it would be lost with this checkout.
    for state in "$(dirname "$DEFINITION")"/.anywhere/*/errored.tfstate; do
        [ -e "$state" ] || continue
        mkdir -p kept
        cp -- "$state" kept/
        echo "hint: The state could not be stored: it is errored.tfstate in the artifact of this run. Before anything" \
            "else, run \`terraform state push\` with it in the rendered folder." >&2
    done
    exit 1
fi

#!/usr/bin/env bash
# plan.sh: saves a plan as plan/saved.plan, and says in plan/comment.md what it does.
#
# Exits 0 where nothing would change, 2 where something would, and 1 where there is no plan; then the comment says why.
# The same number is in plan/status. The plan is what runs later: its SHA-256 is in plan/sha256 and in the comment.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

plan() {
    anywhere validate "$DEFINITION" --provider "$ANYWHERE_PROVIDER" >&2 &&
        anywhere plan "$DEFINITION" --save plan/saved.plan --markdown --detailed-exitcode "${may_destroy[@]}"
}

# The plan, or why there is none.
body() {
    if [ "$status" = 1 ]; then
        sed -n '/^error: /,$p' plan/log >plan/errors
        printf '### No plan for %s\n\n````\n' "$cluster"
        shortened plan/errors 'the log'
        printf '````\n'
    else
        shortened plan/review.md 'review.md in the artifact'
    fi
}

rm -rf plan
mkdir plan
status=0
plan 2>&1 >plan/review.md | tee plan/log >&2 || status=${PIPESTATUS[0]}
case $status in 0 | 2) ;; *) status=1 ;; esac
echo "$status" >plan/status

{
    printf '%s\n' "$marker"
    body
    if [ "$status" != 1 ]; then
        digest plan/saved.plan >plan/sha256
        printf '\nSaved plan: sha256:%s\n' "$(<plan/sha256)"
    fi
} >plan/comment.md

[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat plan/comment.md >>"$GITHUB_STEP_SUMMARY"
exit "$status"

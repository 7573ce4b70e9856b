#!/usr/bin/env bash
# drift.sh: opens an issue where the cluster is not as its definition wants it, keeps it current, and closes it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
load_forge

title="Drift: $cluster"
rm -rf plan
mkdir plan
status=0
anywhere plan "$DEFINITION" --markdown --detailed-exitcode >plan/review.md || status=$?
case $status in 0 | 2) ;; *) exit 1 ;; esac # what could not be looked at is neither drift nor the end of it
cat plan/review.md

issue=$(find_issue "$title")
if [ "$status" = 0 ]; then
    [ -z "$issue" ] || close_issue "$issue" "The cluster is as its definition wants it."
    exit
fi

{
    printf 'What is merged is not what runs: somebody changed it by hand, a machine died, or certificates are due.\n\n'
    shortened plan/review.md 'the log'
    printf '\n\n%s\n' "$by_hand"
} >plan/issue.md
if [ -n "$issue" ]; then
    update_issue "$issue" plan/issue.md
else
    open_issue "$title" plan/issue.md
fi

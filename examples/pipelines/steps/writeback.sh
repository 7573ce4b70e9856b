#!/usr/bin/env bash
# writeback.sh: commits the lock and the secrets where a run renewed them, and pushes them to $BRANCH.
#
# PUSH_URL is where to, the remote `origin` if left out. Nothing is forced: where the branch moved, the commit goes on
# top. Keys that machines have and git has not would be lost with this checkout: whatever goes wrong, both files are
# kept in kept/, for the pipeline to upload, and the step fails.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"

TRIES=5 # how often the branch may move while this pushes
remote=${PUSH_URL:-origin}
files=()
for file in "${DEFINITION%.*}.lock.yaml" "${DEFINITION%.*}.secrets.age"; do
    [ ! -e "$file" ] || files+=("$file")
done

git add -- "${files[@]}"
if git diff --cached --quiet -- "${files[@]}"; then
    echo "The lock and the secrets are as they were committed."
    exit
fi
mkdir -p kept
cp -- "${files[@]}" kept/

# [skip ci] since nothing is to be planned: this is what was applied.
export GIT_AUTHOR_NAME=anywhere GIT_AUTHOR_EMAIL=anywhere@localhost
export GIT_COMMITTER_NAME=anywhere GIT_COMMITTER_EMAIL=anywhere@localhost
git commit --quiet --message "Keep the lock and the secrets that were written for $cluster [skip ci]" -- "${files[@]}"

for ((try = 1; try <= TRIES; try++)); do
    if git push "$remote" "HEAD:refs/heads/$BRANCH"; then
        (cd kept && rm -- "${files[@]##*/}")
        rmdir --ignore-fail-on-non-empty kept # apply.sh may have kept a state
        exit
    fi
    git fetch "$remote" "refs/heads/$BRANCH" || break
    if ! git rebase --quiet FETCH_HEAD; then
        git rebase --abort || true
        break
    fi
done

fail "The lock and the secrets that were written for $cluster could not be pushed to $BRANCH." \
    "Machines may have these keys already: commit ${files[*]} from the artifact kept of this run before anything else."

# shellcheck shell=bash
# common.sh: what the steps share. They run at the top of the repository of definitions, and take from the environment:
# DEFINITION, the path of cluster.yaml; ANYWHERE_PROVIDER, its target, which anywhere reads too; and MAY_DESTROY, the
# machines that a plan may destroy, separated by blanks.

shopt -s inherit_errexit # what fails in $(...) ends the step too

LONGEST=60000 # bytes of a plan in a comment or an issue: GitHub takes 65,536 characters

# fail WHAT REMEDY: ends the step as anywhere ends.
fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

# Left out, anywhere would take a cluster on this computer.
[ -n "${ANYWHERE_PROVIDER:-}" ] || fail "ANYWHERE_PROVIDER is not set." "Set this variable of the repository to aws or gce."
cluster="$DEFINITION on $ANYWHERE_PROVIDER"
# What tells the pipeline's own comment on a pull request from all others; nobody sees it.
marker="<!-- anywhere plan: $cluster -->"

may_destroy=()
for machine in ${MAY_DESTROY:-}; do may_destroy+=(--may-destroy "$machine"); done

# shortened FILE WHERE: as much of it as fits into a comment, and WHERE all of it is.
shortened() {
    if [ "$(wc -c <"$1")" -le "$LONGEST" ]; then
        cat "$1"
    else
        head -c "$LONGEST" "$1" | sed '$d' # no half lines
        printf '\nThe rest does not fit here: see %s of this run.\n' "$2"
    fi
}

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# The functions that ask the service of the repository: the same names for both.
load_forge() {
    local here
    here=$(dirname "${BASH_SOURCE[0]}")
    if [ -n "${GITLAB_CI:-}" ]; then
        # shellcheck source=gitlab.sh
        source "$here/gitlab.sh"
    else
        # shellcheck source=github.sh
        source "$here/github.sh"
    fi
}

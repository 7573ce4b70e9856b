# shellcheck shell=bash
# common.sh: what the steps share. They run at the top of the repository of definitions, and take from the environment:
# DEFINITION, the path of cluster.yaml; ANYWHERE_PROVIDER, its target, which anywhere reads too; and MAY_DESTROY, the
# machines that a plan may destroy, separated by blanks.

shopt -s inherit_errexit # what fails in $(...) ends the step too

cluster="$DEFINITION on $ANYWHERE_PROVIDER"
# What tells the pipeline's own comment on a pull request from all others; nobody sees it.
marker="<!-- anywhere plan: $cluster -->"

may_destroy=()
for machine in ${MAY_DESTROY:-}; do may_destroy+=(--may-destroy "$machine"); done

# fail WHAT REMEDY: ends the step as anywhere ends.
fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
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

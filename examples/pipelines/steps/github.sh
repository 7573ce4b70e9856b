# shellcheck shell=bash disable=SC2034,SC2154 # names that it shares with common.sh
# github.sh: what the steps ask GitHub for, by `gh`, as whom GH_TOKEN says.

repository="repos/$GITHUB_REPOSITORY"
by_hand="Run the workflow \`replan\`: it plans what is on $GITHUB_REF_NAME, and applies that once somebody approved it."

# own_comment REQUEST: the pipeline's comment on a pull request, as JSON; nothing where there is none. A comment of
# anybody else counts for nothing, whatever it begins with.
own_comment() {
    gh api --paginate "$repository/issues/$1/comments?per_page=100" | jq --arg marker "$marker" --slurp '
        flatten | map(select(.user.login == "github-actions[bot]" and (.body | startswith($marker)))) | last // empty'
}

# put_comment REQUEST FILE: writes the pipeline's comment, in the place of the one before.
put_comment() {
    local id
    id=$(own_comment "$1" | jq .id)
    if [ -n "$id" ]; then
        gh api --method PATCH "$repository/issues/comments/$id" --field "body=@$2" --silent
    else
        gh api --method POST "$repository/issues/$1/comments" --field "body=@$2" --silent
    fi
}

# merged_request: the pull request that this commit merged, and the last commit of its branch; nothing for none.
merged_request() {
    gh api "$repository/commits/$GITHUB_SHA/pulls" | jq --raw-output --arg base "$GITHUB_REF_NAME" '
        map(select(.merged_at and .base.ref == $base)) | first // empty | "\(.number) \(.head.sha)"'
}

# download_plan REQUEST HEAD: what $PLAN_WORKFLOW kept of that commit, as plan/; nothing where it kept nothing. Another
# branch may have a workflow that calls itself the same: only runs of the reviewed commit count.
download_plan() {
    local run runs="$repository/actions/workflows/${PLAN_WORKFLOW:-plan.yml}/runs"
    run=$(gh api "$runs?event=pull_request&status=success&head_sha=$2" | jq '.workflow_runs | first // empty | .id')
    [ -z "$run" ] || gh run download "$run" --repo "$GITHUB_REPOSITORY" --name plan --dir plan
}

# find_issue TITLE: the number of the open issue that is called so; nothing for none.
find_issue() {
    gh issue list --repo "$GITHUB_REPOSITORY" --state open --limit 1000 --json number,title |
        jq --arg title "$1" 'map(select(.title == $title)) | first // empty | .number'
}

# open_issue TITLE FILE, update_issue NUMBER FILE, close_issue NUMBER WHY
open_issue() { gh issue create --repo "$GITHUB_REPOSITORY" --title "$1" --body-file "$2"; }
update_issue() { gh issue edit "$1" --repo "$GITHUB_REPOSITORY" --body-file "$2"; }
close_issue() { gh issue close "$1" --repo "$GITHUB_REPOSITORY" --comment "$2"; }

# shellcheck shell=bash disable=SC2034,SC2154 # names that it shares with common.sh
# gitlab.sh: what the steps ask GitLab for, by curl, as whom the project access token GITLAB_TOKEN says.

project="$CI_API_V4_URL/projects/$CI_PROJECT_ID"
by_hand="Run a pipeline on $CI_DEFAULT_BRANCH by hand: it plans anew, and its job \`apply-by-hand\` applies that."

# call METHOD URL [CURL'S OPTIONS...]: the token is on no command line, and curl hands this header to no other host that
# a download is redirected to.
call() {
    curl --fail-with-body --silent --show-error --location --request "$1" --header @- "${@:3}" "$2" \
        <<<"Authorization: Bearer $GITLAB_TOKEN"
}

# own_comment REQUEST: the pipeline's comment on a merge request, as JSON; nothing where there is none. A comment of
# anybody else counts for nothing, whatever it begins with.
own_comment() {
    local me notes page=1
    me=$(call GET "$CI_API_V4_URL/user" | jq .id)
    while :; do
        notes=$(call GET "$project/merge_requests/$1/notes?sort=asc&per_page=100&page=$page")
        [ "$notes" != "[]" ] || break
        jq --arg marker "$marker" --argjson me "$me" '
            .[] | select(.author.id == $me and (.body | startswith($marker)))' <<<"$notes"
        page=$((page + 1))
    done | jq --slurp 'last // empty'
}

# put_comment REQUEST FILE: writes the pipeline's comment, in the place of the one before.
put_comment() {
    local id
    id=$(own_comment "$1" | jq .id)
    if [ -n "$id" ]; then
        call PUT "$project/merge_requests/$1/notes/$id" --data-urlencode "body@$2" --output /dev/null
    else
        call POST "$project/merge_requests/$1/notes" --data-urlencode "body@$2" --output /dev/null
    fi
}

# merged_request: the merge request that this commit merged, and the last commit of its branch; nothing for none.
merged_request() {
    call GET "$project/repository/commits/$CI_COMMIT_SHA/merge_requests" |
        jq --raw-output --arg base "$CI_COMMIT_BRANCH" '
            map(select(.state == "merged" and .target_branch == $base)) | first // empty | "\(.iid) \(.sha)"'
}

# download_plan REQUEST HEAD: what the job $PLAN_JOB kept of that commit, as plan/; nothing where it kept nothing.
download_plan() {
    local pipeline job
    pipeline=$(call GET "$project/merge_requests/$1/pipelines" | jq --arg head "$2" '
        map(select(.sha == $head and .status == "success" and .source == "merge_request_event"))
        | first // empty | .id')
    [ -n "$pipeline" ] || return 0
    job=$(call GET "$project/pipelines/$pipeline/jobs?per_page=100" |
        jq --arg name "${PLAN_JOB:-plan}" 'map(select(.name == $name)) | first // empty | .id')
    [ -n "$job" ] || return 0
    call GET "$project/jobs/$job/artifacts" --output plan.zip
    python3 -m zipfile --extract plan.zip . # they are stored as plan/...
    rm plan.zip
}

# find_issue TITLE: the number of the open issue that is called so; nothing for none.
find_issue() {
    call GET "$project/issues" --get --data state=opened --data in=title --data per_page=100 \
        --data-urlencode "search=$1" |
        jq --arg title "$1" 'map(select(.title == $title)) | first // empty | .iid'
}

# open_issue TITLE FILE, update_issue NUMBER FILE, close_issue NUMBER WHY
open_issue() {
    call POST "$project/issues" --data-urlencode "title=$1" --data-urlencode "description@$2" --output /dev/null
}
update_issue() { call PUT "$project/issues/$1" --data-urlencode "description@$2" --output /dev/null; }
close_issue() {
    call POST "$project/issues/$1/notes" --data-urlencode "body=$2" --output /dev/null
    call PUT "$project/issues/$1" --data state_event=close --output /dev/null
}

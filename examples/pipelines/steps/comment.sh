#!/usr/bin/env bash
# comment.sh REQUEST: puts plan/comment.md on a pull request, in the place of the one before.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
load_forge

put_comment "$1" plan/comment.md

#!/bin/sh
# gce.sh PROJECT MEMBER: enables the APIs that clusters need in a project, and lets a member make clusters there.
# MEMBER is such as user:me@example.com or serviceAccount:pipeline@my-project.iam.gserviceaccount.com.
set -eu

[ $# = 2 ] || {
    echo "usage: $0 PROJECT MEMBER" >&2
    exit 1
}
project=$1
member=$2

gcloud services enable compute.googleapis.com secretmanager.googleapis.com storage.googleapis.com \
    iam.googleapis.com --project "$project"

# Machines, networks and groups; secrets; buckets; the service accounts of machines, and their use; requests that
# count for the project.
for role in compute.admin secretmanager.admin storage.admin iam.serviceAccountAdmin iam.serviceAccountUser \
    serviceusage.serviceUsageConsumer; do
    gcloud projects add-iam-policy-binding "$project" --member "$member" --role "roles/$role" --condition None --quiet
done

#!/usr/bin/env bash
# identity.sh: for GitLab, puts the token of this job (IDENTITY_TOKEN) where AWS's and Google's libraries look for it.
# On AWS these read AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, on GCE GOOGLE_APPLICATION_CREDENTIALS.
set -euo pipefail
umask 077

case $ANYWHERE_PROVIDER in
aws) printf %s "$IDENTITY_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE" ;;
gce)
    token=$GOOGLE_APPLICATION_CREDENTIALS.token
    printf %s "$IDENTITY_TOKEN" >"$token"
    jq --null-input --arg token "$token" '{
        type: "external_account",
        audience: "//iam.googleapis.com/\(env.GCE_IDENTITY_PROVIDER)",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        token_url: "https://sts.googleapis.com/v1/token",
        service_account_impersonation_url:
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/\(env.GCE_ACCOUNT):generateAccessToken",
        credential_source: {file: $token}
    }' >"$GOOGLE_APPLICATION_CREDENTIALS"
    ;;
esac

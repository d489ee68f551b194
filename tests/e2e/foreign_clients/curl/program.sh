#!/bin/sh
# Gets, refreshes and revokes tokens with curl, the documented way first.
#
# What curl sends (7.88): "User-Agent: curl/<version>", "Accept: */*", and, with --data and no header of ours,
# "Content-Type: application/x-www-form-urlencoded" whatever the data is: Moov's documented line sends JSON
# under the name of a form. With -X POST and no data: no Content-Type and no Content-Length.
# No whole token is ever printed.

set -u
: "${MOCKMOOV_URL:?}" "${MOCKMOOV_CLIENT_ID:?}" "${MOCKMOOV_CLIENT_SECRET:?}"
url=$MOCKMOOV_URL
id=$MOCKMOOV_CLIENT_ID
secret=$MOCKMOOV_CLIENT_SECRET
body=$(mktemp) || exit 2
trap 'rm -f "$body"' EXIT
failures=0
status=

# call CURL-ARGUMENT...: the status goes to $status, the body to the file $body.
call() {
    status=$(curl --silent --show-error --max-time 20 --output "$body" --write-out '%{http_code}' "$@")
}

# check NAME COMMAND...: ok if the command succeeds; what came is the status, and the body of a refusal.
check() {
    name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        failures=$((failures + 1))
        if [ "$status" = 200 ]; then came="status 200"; else came="status $status $(head -c 200 "$body")"; fi
        echo "not ok $name: $came"
    fi
}

status_is() { [ "$status" = "$1" ]; }
body_is() { [ "$(cat "$body")" = "$1" ]; }
refused() { status_is 400 && body_is "{\"error\":\"$1\"}"; }
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$body"; }
granted() { status_is 200 && [ -n "$(member access_token)" ] && [ "$(member scope)" = "$1" ]; }
no_body() { status_is "$1" && [ ! -s "$body" ]; }

call -X POST "$url/oauth2/token" -u "$id:$secret" \
    --data '{"grant_type":"client_credentials","scope":"/accounts.write"}'
check "the documented line" granted /accounts.write

call -X POST "$url/oauth2/token" -u "$id:$secret" -H 'Content-Type: application/json' \
    --data '{"grant_type":"client_credentials","scope":"/accounts.write /ping.read"}'
check "JSON" granted "/accounts.write /ping.read"

call "$url/oauth2/token" -u "$id:$secret" --data grant_type=client_credentials \
    --data-urlencode 'scope=/ping.read /accounts.write'
check "a form" granted "/ping.read /accounts.write"
access=$(member access_token)
refresh=$(member refresh_token)

call "$url/oauth2/token" -H 'Content-Type: application/json' --data \
    "{\"grant_type\":\"client_credentials\",\"scope\":\"/ping.read\",\"client_id\":\"$id\",\"client_secret\":\"$secret\"}"
check "JSON without Basic" granted /ping.read

call -X POST "$url/oauth2/token?grant_type=client_credentials&scope=/ping.read" -u "$id:$secret"
check "the query string" granted /ping.read

call "$url/ping" -H "Authorization: Bearer $access"
check "ping by bearer" no_body 200
call "$url/ping" -u "$id:$secret"
check "ping by Basic" no_body 200
encoded=$(printf '%s' "$id:$secret" | sed 's/_/%5F/g; s/-/%2D/g')
call "$url/oauth2/token" -u "$encoded" --data 'grant_type=client_credentials&scope=/ping.read'
check "percent-encoded Basic" granted /ping.read

call "$url/oauth2/token" -u "$id:$secret" --data grant_type=refresh_token --data-urlencode "refresh_token=$refresh"
check "refresh" granted "/ping.read /accounts.write"
access=$(member access_token)

call "$url/oauth2/revoke" -u "$id:$secret" --data-urlencode "token=$access"
check "revoke" no_body 204
call "$url/ping" -H "Authorization: Bearer $access"
check "ping with the revoked token" no_body 401
call "$url/oauth2/revoke" -u "$id:$secret" --data-urlencode "token=$access"
check "revoke once more" no_body 204

call "$url/oauth2/token" -u "$id:$secret" --data grant_type=refresh_token --data-urlencode "refresh_token=$refresh"
check "a used refresh token" refused invalid_grant

call "$url/oauth2/token" -u "$id:$secret" --data 'grant_type=client_credentials&scope=/no-such.scope'
check "wrong scope" refused invalid_scope
call "$url/oauth2/token" -u "$id:$secret" --data 'grant_type=password&scope=/ping.read'
check "another grant" refused unsupported_grant_type
call "$url/oauth2/token" -u "$id:not-the-secret" --data 'grant_type=client_credentials&scope=/ping.read'
check "wrong secret" status_is 401

[ "$failures" -eq 0 ]

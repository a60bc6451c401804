#!/usr/bin/env bash
# A token, a read, and an error read as one: curl and nothing else.
# MIST_BASE, MIST_CLIENT_ID, MIST_CLIENT_SECRET, MIST_EMPLOYEE_ID come from the environment.
set -euo pipefail

member() { sed 's/.*"'"$1"'":"\([^"]*\)".*/\1/'; }

TOKEN=$(curl -sS "$MIST_BASE/oauth/token" \
  -d grant_type=client_credentials -d "client_id=$MIST_CLIENT_ID" \
  -d "client_secret=$MIST_CLIENT_SECRET" -d "employee_id=$MIST_EMPLOYEE_ID" | member access_token)

echo "dictionary: $(curl -sS "$MIST_BASE/api/v3/dictionaries?name=GENDER" \
  -H "Authorization: Bearer $TOKEN" | member name)"

# Every error has error.type; meta.request_id names the request to support.
ANSWER=$(curl -sS "$MIST_BASE/api/v3/persons/01890a5d-ac96-774b-bcce-b302099a8057" \
  -H "Authorization: Bearer $TOKEN" -H "X-Request-ID: sample-curl")
echo "error: $(member type <<<"$ANSWER")"

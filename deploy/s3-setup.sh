#!/bin/sh
# Runs at every start of compose.yaml, with the root key of the store, which no other service has: creates the
# user of the runs, who owns the bucket and can make no other, and the bucket.
set -eu
versitygw admin list-users | grep -qFw "$USER_ACCESS_KEY" ||
    versitygw admin create-user --access "$USER_ACCESS_KEY" --secret "$USER_SECRET_KEY" --role user
versitygw admin list-buckets | grep -qFw rivya ||
    versitygw admin create-bucket --owner "$USER_ACCESS_KEY" --bucket rivya
versitygw admin list-buckets | grep -qFw rivya

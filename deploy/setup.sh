#!/bin/sh
# Runs at every start of a cluster: creates the bucket, and a deployment for each `deploy:` entry of the specs.
set -eu
python - <<'PYTHON'
import fsspec

from rivya_flows.settings import read_settings

files, folder = fsspec.core.url_to_fs(read_settings().assets_url)
bucket = folder.partition("/")[0]
if not files.exists(bucket):
    files.mkdir(bucket)
PYTHON
# A run counts as dead after three missed heartbeats of the workers (PREFECT_FLOWS_HEARTBEAT_FREQUENCY).
exec rivya-flows deploy "$RIVYA_FLOWS_SPECS" --collection cluster --prune

#!/bin/sh
# Once at every start of a cluster: the bucket, the work pool, and a deployment for each entry of the specs.
set -eu
python - <<'PYTHON'
import fsspec
from rivya_flows.settings import read_settings

files, folder = fsspec.core.url_to_fs(read_settings().assets_url)
bucket = folder.partition("/")[0]
if not files.exists(bucket):
    files.mkdir(bucket)
PYTHON
prefect work-pool inspect campaigns >/dev/null 2>&1 ||
    prefect --no-prompt work-pool create campaigns --type process
exec rivya-flows deploy "$RIVYA_FLOWS_SPECS"/*.yaml

"""A worker that executes many runs in few processes: ``prefect worker start --type campaign``."""

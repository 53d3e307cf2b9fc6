# One image for the server, its services, the workers and the receiver; compose.yaml says which is which.
# docs/concepts/supply-chain.md says how to update the digest.
FROM python:3.11-slim@sha256:e41613d42d4891e4930f79523f93f81bbc7632584ec65e36ab055f41a800b41e

LABEL org.opencontainers.image.title="rivya-flows" \
      org.opencontainers.image.description="Declarative campaign pipelines: a YAML spec becomes a Prefect flow on the Rivya API" \
      org.opencontainers.image.licenses="Apache-2.0 AND OFL-1.1"

# Media work needs Python packages only: no system package is installed.
RUN useradd --create-home --uid 1000 rivya && mkdir /data && chown rivya /data
WORKDIR /app
COPY locks locks
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --no-deps \
    --requirement locks/build.txt --requirement locks/base.txt \
    --requirement locks/postgres.txt --requirement locks/redis.txt --requirement locks/s3.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY flows flows
COPY tasks tasks
COPY specs specs
COPY packages/client packages/client
COPY packages/cut packages/cut
# Links of the package lead to flows, tasks and specs: all of them must be there before.
RUN pip install --no-cache-dir --no-deps --no-build-isolation . ./packages/client ./packages/cut
COPY deploy deploy

# A number: `runAsNonRoot` cannot look a name up.
USER 1000
# Asks whichever of server, worker and receiver listens; compose.yaml and Kubernetes have checks of their own.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 CMD ["python", "deploy/health.py"]
ENV PREFECT_HOME=/home/rivya/.prefect

# One image for the server, its services, the workers and the receiver; compose.yaml says which is which.
# docs/concepts/supply-chain.md says how to update the digest.
FROM python:3.11-slim@sha256:e41613d42d4891e4930f79523f93f81bbc7632584ec65e36ab055f41a800b41e

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
# Links of the package lead to flows, tasks and specs: all of them must be there before.
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
COPY deploy deploy

USER rivya
ENV PREFECT_HOME=/home/rivya/.prefect

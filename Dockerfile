# One image for the server, its services, the workers and the receiver; compose.yaml says which is which.
FROM python:3.11-slim

# Media are drawn on and letters are set with packages of Python alone: nothing else is installed.
RUN useradd --create-home --uid 1000 rivya && mkdir /data && chown rivya /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY flows flows
COPY tasks tasks
RUN pip install --no-cache-dir --constraint constraints.txt ".[postgres,redis,s3]"
COPY specs specs
COPY deploy deploy

USER rivya
ENV PREFECT_HOME=/home/rivya/.prefect

# syntax=docker/dockerfile:1
# Two stages: what is needed to install never reaches what runs.
# Data: volume /data (the embedded PostgreSQL), unless DATABASE_URL names a server.

FROM python:3.11-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/jingtan
COPY pyproject.toml constraints.txt LICENSE README.md ./
COPY engine engine
COPY exchange exchange
COPY settlement settlement
COPY migrations migrations
COPY api api
RUN /opt/jingtan/bin/pip install --constraint constraints.txt .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="jingtan" \
      org.opencontainers.image.description="The exchange of a regional carbon market" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin jingtan \
    && install --directory --owner=jingtan --group=jingtan --mode=0700 /data
COPY --from=build /opt/jingtan /opt/jingtan
ENV PATH=/opt/jingtan/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    JINGTAN_HOST=0.0.0.0 \
    JINGTAN_PORT=8000 \
    JINGTAN_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
# Crash recovery of a large database may take long; the orchestrator's own limit is the judge.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['JINGTAN_PORT'] + '/livez', timeout=4)"]
ENTRYPOINT ["jingtan"]
CMD ["run"]

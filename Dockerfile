# The daemon with pg_dump, pg_restore and psql 18, for x86-64 and arm64.
#
#   docker build --tag postgres-migrator:0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
#
# To pin the base beyond its tag, give the digest that your registry names for it:
#   --build-arg PYTHON_DIGEST=@sha256:...
ARG PYTHON_TAG=3.13-slim-trixie
ARG PYTHON_DIGEST=

FROM python:${PYTHON_TAG}${PYTHON_DIGEST} AS build
WORKDIR /build
COPY requirements.lock ./
# wheels only: what they hold was compiled elsewhere, so that there is no compiler in any stage
RUN python -m venv --without-pip /opt/pgmigrator \
    && python -m pip --python /opt/pgmigrator/bin/python install --no-cache-dir \
        --only-binary :all: --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY daemon daemon
ARG REVISION=unknown
RUN echo "${REVISION}" > daemon/pgmigrator/REVISION \
    && python -m pip --python /opt/pgmigrator/bin/python install --no-cache-dir --no-deps .

FROM python:${PYTHON_TAG}${PYTHON_DIGEST}
# as new as the newest destination
ARG POSTGRES_MAJOR=18
# Debian's package brings the key of PostgreSQL's repository, verified by Debian's signature.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-client-common \
    && cp /usr/share/postgresql-common/pgdg/apt.postgresql.org.asc /usr/share/keyrings/pgdg.asc \
    && . /etc/os-release \
    && echo "deb [signed-by=/usr/share/keyrings/pgdg.asc] https://apt.postgresql.org/pub/repos/apt ${VERSION_CODENAME}-pgdg main" \
        > /etc/apt/sources.list.d/pgdg.list \
    && apt-get update \
    && apt-get install --yes --no-install-recommends \
        "postgresql-client-${POSTGRES_MAJOR}=${POSTGRES_MAJOR}.*" \
    && rm -rf /var/lib/apt/lists/* \
    && pg_dump --version && pg_restore --version && psql --version
COPY --from=build /opt/pgmigrator /opt/pgmigrator

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Postgres Migrator" \
    org.opencontainers.image.description="Migrates whole PostgreSQL instances to a new major version live" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# Everything is readable for anybody and nothing is written but to /tmp: the root file system may be
# read-only, and the user may be any.
ENV PATH=/opt/pgmigrator/bin:$PATH \
    PGMIGRATOR_HTTP__HOST=0.0.0.0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
EXPOSE 8432
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["python", "-c", "import os, urllib.request as r; port = os.environ.get('PGMIGRATOR_HTTP__PORT', '8432'); r.urlopen(f'http://127.0.0.1:{port}/livez', timeout=4)"]
ENTRYPOINT ["pgmigrator"]
CMD ["run"]

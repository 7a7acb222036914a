# One image for all roles: web, worker, sweeper, migrate, all-in-one, and any command (bin/start).
# Further targets: `database`, PostgreSQL with PostGIS; `test`, which runs every check.
ARG POSTGRES=postgres:15-bookworm

# Built, as there is no official image with PostGIS for ARM.
FROM ${POSTGRES} AS database
RUN apt-get update \
    && apt-get install -y --no-install-recommends "postgresql-$PG_MAJOR-postgis-3" \
    && rm -rf /var/lib/apt/lists/*


FROM python:3.11-slim-bookworm AS test
WORKDIR /app
COPY . .
# Installs all that the checks need, so that they need no network.
RUN bin/test --version
ENTRYPOINT ["bin/test"]


FROM node:22-bookworm-slim AS npm
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund


FROM python:3.11-slim-bookworm AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgdal32 libgeos-c1v5 libproj25 tini \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app


FROM base AS build
RUN pip install --no-cache-dir uv==0.13.8
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-managed-python --python /usr/local/bin/python --no-cache
COPY --from=npm /app/node_modules node_modules
COPY . .
RUN DATABASE_URL=postgres://build REDIS_URL=redis://build SECRET_KEY=build \
    python manage.py collectstatic --noinput -v0
# What is served was collected: of its sources only the folders stay, which the settings name.
RUN find assets node_modules -type f -delete \
    && python -m compileall -q .venv bin config imports footprints locations dropzone explorer \
    && mkdir /code \
    && mv assets node_modules manage.py bin config imports footprints locations dropzone explorer \
        templates /code


FROM base AS app
# It may write to /tmp and, for a key that nobody set, to .local.
RUN useradd --system --uid 10001 --home-dir /tmp catchment \
    && install -d -o catchment -g catchment .local
COPY --from=build /app/.venv .venv
COPY --from=build /app/static static
COPY --from=build /code .
USER catchment
ENV PORT=8000
EXPOSE 8000
# So that platforms that mount a disk there keep everybody's right to write.
VOLUME /tmp
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["bin/healthy", "web"]
ENTRYPOINT ["tini", "--", "bin/start"]
CMD ["web"]

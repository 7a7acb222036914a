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


# GDAL without its drivers for files, which Django does not need: with what it takes along 35 MB and
# not 175, and some 20 MB less memory in each process. It takes some minutes. From Debian's sources, so
# that Debian's corrections come with it.
FROM python:3.11-slim-bookworm AS gdal
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
    && apt-get update \
    && apt-get install -y --no-install-recommends cmake dpkg-dev g++ libproj-dev make
WORKDIR /src
RUN apt-get source --download-only gdal && dpkg-source -x gdal_*.dsc gdal \
    && cmake -S gdal -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_APPS=OFF -DBUILD_TESTING=OFF \
        -DBUILD_PYTHON_BINDINGS=OFF -DBUILD_JAVA_BINDINGS=OFF -DBUILD_CSHARP_BINDINGS=OFF \
        -DGDAL_BUILD_OPTIONAL_DRIVERS=OFF -DOGR_BUILD_OPTIONAL_DRIVERS=OFF \
        -DGDAL_USE_EXTERNAL_LIBS=OFF -DGDAL_USE_INTERNAL_LIBS=ON
RUN make -C build -j "$(nproc)" && cmake --install build --prefix /gdal/installed --strip


FROM python:3.11-slim-bookworm AS base
# Of the data of PROJ the database is enough: grids of old surveys are for other references than ours.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgeos-c1v5 libpq5 libproj25 tini \
    && find /usr/share/proj -type f ! -name proj.db -delete \
    && rm -rf /var/lib/apt/lists/*
# For backups of docker-compose.yml's server: newer ones need newer programs (docs/keeping.md).
COPY --from=database /usr/lib/postgresql/15/bin/pg_dump /usr/lib/postgresql/15/bin/pg_restore \
    /usr/lib/postgresql/15/bin/
COPY --from=gdal /gdal/installed/lib/libgdal.so.32 /usr/local/lib/
COPY --from=gdal /gdal/installed/share/gdal /usr/local/share/gdal
RUN ldconfig
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
ARG SITE=.venv/lib/python3.11/site-packages
# What is served was collected: of its sources only the folders stay, which the settings name. Texts
# in other languages are switched off; of AWS only S3 and ways to sign in are used, of numpy no compilers.
RUN find assets node_modules $SITE/*/static -type f -delete \
    && find .venv -name '*.[mp]o' -delete \
    && find .venv -type d -name tests -prune -exec rm -r {} + \
    && find $SITE/botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name 'sso*' ! -name sts -exec rm -r {} + \
    && rm -r $SITE/numpy/distutils $SITE/numpy/f2py \
    && find .venv -name '*.pyi' -delete \
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

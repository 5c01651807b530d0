# Every part of the service in a container: API, workers, migrations (see docker-compose.yml). On loopback by default.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/bespoke \
    && /opt/bespoke/bin/pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
COPY pyproject.toml README.md LICENSE ./
COPY design design
COPY networks networks
COPY predictors predictors
COPY optimizer optimizer
COPY service service
COPY migrations migrations
RUN /opt/bespoke/bin/pip install --no-cache-dir '.[postgres]'

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 bespoke && mkdir /data && chown bespoke /data
COPY --from=build /opt/bespoke /opt/bespoke
USER bespoke
WORKDIR /data
ENV PATH=/opt/bespoke/bin:$PATH PYTHONUNBUFFERED=1 BESPOKE_DATA_FOLDER=/data
VOLUME /data
CMD ["bespoke", "serve"]

# One image for API, worker and GUI: the command says which.
#   docker build -t imaging-service .
#   docker run --rm imaging-service imaging --help
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 \
    UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/imaging
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet uv
WORKDIR /src
# The dependencies change seldom and the code often: two layers.
COPY pyproject.toml uv.lock LICENSE README.md ./
COPY packaging packaging
RUN mkdir -p src/imaging_core src/adapters src/entrypoints \
 && touch src/imaging_core/__init__.py src/adapters/__init__.py src/entrypoints/__init__.py \
 && /opt/uv/bin/uv sync --frozen --no-dev --no-install-workspace
COPY src src
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-editable

FROM ${BASE}
# Numeric, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin imaging \
 && mkdir -p /data && chown 10001:10001 /data
COPY --from=build /opt/imaging /opt/imaging
ENV PATH=/opt/imaging/bin:$PATH PYTHONUNBUFFERED=1 IMAGING_DATA_DIR=/data IMAGING_LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 8000 8501
STOPSIGNAL SIGTERM
CMD ["imaging", "--help"]

# One image for API, worker and GUI: the command says which.
#   docker build -t imaging-service .
#   docker run --rm imaging-service imaging --help
ARG BASE=python:3.12-slim

# The dependencies change seldom and the code often: a stage and a layer for each.
FROM ${BASE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 \
    UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/imaging UV_NO_CACHE=1
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet uv
WORKDIR /src
COPY pyproject.toml uv.lock LICENSE README.md ./
COPY packaging packaging
# What libraries test themselves with and what one compiles against them are a tenth of their size.
RUN /opt/uv/bin/uv sync --quiet --frozen --no-dev --no-install-workspace \
 && cd /opt/imaging/lib/python3*/site-packages \
 && find . -type d \( -name tests -o -path ./pyarrow/include \) -prune -exec rm -rf {} + \
 && echo /opt/app > imaging.pth

FROM dependencies AS service
COPY src src
RUN /opt/uv/bin/uv build --quiet --all-packages --wheel --out-dir /wheels \
 && /opt/uv/bin/uv pip install --quiet --python /opt/imaging/bin/python --no-deps --target /opt/app /wheels/*.whl \
 && rm -f /opt/app/.lock

FROM ${BASE}
LABEL org.opencontainers.image.title="imaging-service" org.opencontainers.image.licenses="MIT"
# Numeric, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin imaging \
 && mkdir -p /data /models && chown 10001:10001 /data /models
COPY --from=dependencies /opt/imaging /opt/imaging
COPY --from=service /opt/app /opt/app
ENV PATH=/opt/app/bin:/opt/imaging/bin:$PATH PYTHONUNBUFFERED=1 IMAGING_DATA_DIR=/data IMAGING_LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 8000 8501
STOPSIGNAL SIGTERM
CMD ["imaging", "--help"]

# One image for every role: api, relay, sweeper, worker, migrate. The role is the command (see docker-compose.yml).
# Runs as an unprivileged user; brings no server of its own. Build for CPUs with a CPU wheel of PyTorch's, and its hash:
#   docker build --build-arg "TORCH=torch @ https://.../torch-2.13.0+cpu-....whl#sha256=..." -t cherish .
# (torchvision, which timm imports, then comes by its version; timm uses none of its operators.)
# Left as it is, the build takes the CUDA wheels by requirements-torch.txt, and one image serves CPU and GPU workers alike.
FROM python:3.12-slim AS build

ARG TORCH=
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/cherish
COPY constraints.txt requirements-image.txt requirements-torch.txt /src/
# only files whose hashes are known
RUN /opt/cherish/bin/pip install --no-deps --require-hashes -r /src/requirements-image.txt
RUN if [ -n "$TORCH" ]; then /opt/cherish/bin/pip install -c /src/constraints.txt "$TORCH"; \
    else /opt/cherish/bin/pip install --no-deps --require-hashes -r /src/requirements-torch.txt; fi
COPY pyproject.toml README.md LICENSE NOTICE alembic.ini /src/
COPY contract /src/contract
COPY app /src/app
COPY worker /src/worker
COPY cherish /src/cherish
COPY migrations /src/migrations
RUN /opt/cherish/bin/pip install --no-build-isolation -c /src/constraints.txt "/src[worker,models,traces]"

FROM python:3.12-slim
RUN groupadd --system --gid 10001 cherish \
    && useradd --system --uid 10001 --gid cherish --home-dir /var/lib/cherish --create-home cherish \
    && install -d -o cherish -g cherish -m 0700 /var/lib/cherish/blobs
COPY --from=build /opt/cherish /opt/cherish
ENV PATH=/opt/cherish/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CHERISH_ENVIRONMENT=production \
    CHERISH_LOG_JSON=true \
    CHERISH_BLOB_URL=file:///var/lib/cherish/blobs
USER 10001:10001
WORKDIR /var/lib/cherish
VOLUME ["/var/lib/cherish/blobs"]
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["cherish"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

# Written, not built: no author of this file had a Docker daemon at hand. docs/operations.md says how it is meant.
#
#     docker build --tag facebatch .
#     docker run --rm --volume ~/Pictures:/photos:ro --volume ~/faces:/faces facebatch run /photos --output /faces

FROM python:3.11-slim AS build
# PyTorch's CPU index: the build that PyPI has for Linux brings gigabytes of CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=openvino,heif,raw,s3,http
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY facebatch facebatch
COPY pipelines pipelines
COPY schemas schemas
RUN python -m venv /opt/facebatch \
    && /opt/facebatch/bin/pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url "$TORCH_INDEX" ".[$EXTRAS]"

FROM python:3.11-slim
COPY --from=build /opt/facebatch /opt/facebatch
# What is written outside the collection: compiled loops, and copies of what can't be read in place. Everything
# else may be read-only.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent facebatch \
    && install --directory --owner=facebatch --mode=0700 /var/cache/facebatch /var/tmp/facebatch
ENV PATH=/opt/facebatch/bin:$PATH \
    NUMBA_CACHE_DIR=/var/cache/facebatch/numba \
    XDG_CACHE_HOME=/var/cache/facebatch \
    MPLCONFIGDIR=/var/cache/facebatch/matplotlib \
    TMPDIR=/var/tmp/facebatch \
    PYTHONDONTWRITEBYTECODE=1
USER facebatch
WORKDIR /var/tmp/facebatch
ENTRYPOINT ["facebatch"]
CMD ["--help"]

# docker build --tag siamrcr:0.1.0 .  (the image that the Snakefile's `container:` line names)
# PyTorch's wheels in the lock bring their own CUDA 13; the host needs the driver and the NVIDIA container toolkit. On
# NVIDIA's own base image: docker build --build-arg BASE=nvidia/cuda:13.0.0-base-ubuntu24.04 --tag siamrcr:0.1.0 .
ARG BASE=python:3.11-slim
FROM ${BASE}
# What the container toolkit gives a container whose base says nothing of it.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev \
    && { command -v python3 || apt-get install --yes --no-install-recommends python3-dev python3-venv; } \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /opt/siamrcr
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --editable .

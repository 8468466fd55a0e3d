# docker build --tag siamrcr:0.1.0 .  (the image that the Snakefile's `container:` line names)
# PyTorch's wheels in the lock bring their own CUDA libraries; the host needs the driver and the NVIDIA container toolkit.
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends gcc git libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/siamrcr
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --editable .

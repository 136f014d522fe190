"""What a device gives language-model jobs: needs torch, numpy and worker/engine, nothing of the service."""

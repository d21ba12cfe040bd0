# The image that the Kubernetes, Tekton and Docker recipes start. Slipway builds it: slipway build --push -t registry.example/slipway -f slipway.Dockerfile .
FROM node:20-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git && rm -rf /var/lib/apt/lists/*
RUN npm install --global slipway && npm cache clean --force
CMD ["slipway", "--help"]

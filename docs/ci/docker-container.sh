#!/bin/sh
# Builds the current folder in an ordinary container: no --privileged, no Docker socket. The image is made by slipway.Dockerfile beside this file.
set -eu
: "${IMAGE:?name the image to push}" "${CACHE:?name what keeps the cache}"
exec docker run --rm --init \
  --volume "$PWD:/workspace:ro" --workdir /workspace \
  --volume slipway-store:/store --env SLIPWAY_ROOT=/store \
  --volume "${DOCKER_CONFIG:-$HOME/.docker}:/docker:ro" --env DOCKER_CONFIG=/docker \
  --env IMAGE --env CACHE --memory 4g --pids-limit 2000 \
  registry.example/slipway:latest sh -euc '
    slipway info
    slipway build --push --tag "$IMAGE" --gate test \
      --cache-from "type=registry,ref=$CACHE" \
      --cache-to "type=registry,ref=$CACHE,mode=max,ignore-error=true" \
      --metadata-file /store/metadata.json --explain .
  '

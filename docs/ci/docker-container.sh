#!/bin/sh
# Builds in an ordinary container: no --privileged, no Docker socket.
set -eu
exec docker run --rm \
  -v "$PWD:/workspace" -w /workspace \
  -v slipway-store:/store -e SLIPWAY_ROOT=/store \
  -v "${DOCKER_CONFIG:-$HOME/.docker}:/docker:ro" -e DOCKER_CONFIG=/docker \
  -e IMAGE -e CACHE -e GATE \
  registry.example/slipway:latest docs/ci/build.sh

# SPDX-License-Identifier: MIT
# docker build -t apus . && docker run --rm -v "$PWD:/work" apus train config.toml --data data --out runs/mine
FROM swift:6.2-jammy AS build
# Any version of these packages does.
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends binutils python3 zlib1g-dev libzstd-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The archive's time; a copied tree has no git history to take it from.
ENV SOURCE_DATE_EPOCH=0
RUN scripts/dist && mv dist/apus-*-linux-*/ /apus

FROM debian:12-slim
# curl and its certificates fetch sources and GPT-2's vocabulary; libstdc++ is what the program takes from the system.
# hadolint ignore=DL3008
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends ca-certificates curl libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /apus/bin /usr/local/bin
COPY --from=build /apus/share /usr/local/share
# Run folders belong to whoever runs the container: docker run --user "$(id -u):$(id -g)".
WORKDIR /work
USER 1000:1000
ENTRYPOINT ["apus"]
CMD ["--help"]

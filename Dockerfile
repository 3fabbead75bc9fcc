# Espalier's programs on a slim Debian, all under one supervisor:
#   docker build -t espalier .
#   docker run -p 127.0.0.1:7400:7400 -p 127.0.0.1:7420:7420 -p 127.0.0.1:7422:7422 -v espalier:/var/lib/espalier espalier
FROM debian:bookworm-slim AS build
WORKDIR /src
# Dependencies first, so that a change of the sources does not install them again. pip's settings come in as
# build arguments.
ARG PIP_INDEX_URL
COPY deploy deploy
RUN deploy/install-deps
COPY . .
RUN cmake --preset release -DESPALIER_TESTS=OFF \
 && cmake --build build/release --parallel \
      --target espalier espalierd espalier-worker espalier-serve espalier_catalogue_file
# What the programs load from Debian, as packages; the rest comes out of the wheels and is copied below.
RUN ldd build/release/bin/* | sed -n 's/.* => \(\/[^ ]*\).*/\1/p' | grep -v '^/src/' | sort -u \
 | xargs -n 1 basename | sed 's/^/*\//' | xargs dpkg-query -S | cut -d: -f1 | sort -u > debian-runtime.txt

FROM debian:bookworm-slim
COPY --from=build /src/debian-runtime.txt /tmp/
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends $(cat /tmp/debian-runtime.txt) \
 && rm -rf /var/lib/apt/lists/* /tmp/debian-runtime.txt \
 && useradd --system --create-home --home-dir /var/lib/espalier espalier
# The programs look for the wheels' libraries where they were built against them.
COPY --from=build /src/.deps/python/torch/lib /src/.deps/python/torch/lib
COPY --from=build /src/.deps/python/pyarrow /src/.deps/python/pyarrow
COPY --from=build /src/build/release/bin /opt/espalier/bin
COPY --from=build /src/build/release/share /opt/espalier/share
ENV PATH=/opt/espalier/bin:$PATH
USER espalier
WORKDIR /var/lib/espalier
VOLUME /var/lib/espalier
EXPOSE 7400 7420 7422
# A container is reached from outside, so the two gRPC ports and REST listen on all addresses, without TLS or
# authentication: what they are published on decides who reaches them. The admin ports stay on loopback.
CMD ["espalier", "up", "--data", "/var/lib/espalier/data", "--listen", "0.0.0.0:7400", "--inference-listen", "0.0.0.0:7420", "--inference-http", "0.0.0.0:7422"]

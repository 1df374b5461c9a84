# Two images: `mailreeve`, one static program and nothing else, and `capture`, with Chromium beside it.
#
#   docker build -t mailreeve .
#   docker build -t mailreeve-capture --target capture .
#
# The version is the one that git knows: build from a clone, not from an archive of the files.
ARG GO=1.26.8
ARG DEBIAN=bookworm

FROM golang:${GO}-${DEBIAN} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/mailreeve ./cmd/mailreeve \
 && /out/mailreeve version \
 && mkdir -p /out/home/captures

# Opens pages of strangers: run it apart from the nights, and see deploy/README.md for what its sandbox needs.
FROM debian:${DEBIAN}-slim AS capture
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates chromium fonts-dejavu-core fonts-noto-core \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --home-dir /var/lib/mailreeve --create-home --shell /usr/sbin/nologin mailreeve \
 && install -d -o 65532 -g 65532 /var/lib/mailreeve/captures
COPY --from=build /out/mailreeve /mailreeve
ENV MAILREEVE_CONFIG=/etc/mailreeve/mailreeve.yaml
USER 65532:65532
WORKDIR /var/lib/mailreeve
ENTRYPOINT ["/mailreeve"]
CMD ["capture"]

FROM gcr.io/distroless/static-debian12:nonroot AS mailreeve
COPY --from=build /out/mailreeve /mailreeve
COPY --from=build --chown=65532:65532 /out/home /var/lib/mailreeve
ENV MAILREEVE_CONFIG=/etc/mailreeve/mailreeve.yaml
USER 65532:65532
WORKDIR /var/lib/mailreeve
ENTRYPOINT ["/mailreeve"]
CMD ["serve"]

# syntax=docker/dockerfile:1

# The server as one program in an image without a shell, as a user without rights.
#
#   docker build -t memstored .
#
# Inside a container memstored listens on all addresses, and on an address that is not loopback it starts
# only with a key: one that exists in the database, or one given as MEMSTORED_API_KEY. So make one first:
#
#   docker volume create memstored-data
#   docker run --rm -v memstored-data:/data memstored key create --name ops --scope read,write,redact,admin
#   docker run -d --read-only -v memstored-data:/data -p 127.0.0.1:8780:8780 memstored
#
# The root file system may be read-only: everything that is written, SQLite's temporary files included, is
# written below /data. On an address that is not loopback any Host is answered; to name the allowed ones, set
# MEMSTORED_ALLOWED_HOST. There is no HEALTHCHECK, since the image has no program that could ask: let the
# orchestrator ask GET /health, which needs no key.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
# rust-toolchain.toml stays outside: the image's own toolchain builds, without the tools of a checkout.
COPY Cargo.toml Cargo.lock openapi.yaml ./
COPY .cargo .cargo
COPY build build
COPY migrations migrations
COPY benches benches
COPY src src
RUN cargo build --release --locked --bin memstored
# Made here, since the next image has no shell to make it with.
RUN mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/memstored /usr/local/bin/memstored
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
ENV MEMSTORED_LISTEN=0.0.0.0:8780
ENV MEMSTORED_DATABASE_URL=sqlite:/data/memstored.db
EXPOSE 8780
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/memstored"]
CMD ["serve"]

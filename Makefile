# Lync Gateway for Prosody. SPDX-License-Identifier: MIT
#
# Variables: BUILD (where to build), PREFIX and DESTDIR (where to install), CC, CFLAGS,
# WERROR=1 (warnings are errors), V=1 (show commands), JOBS, T= (names of C tests; seconds of each fuzz target), SPEC= (spec files),
# FUZZ= (names of fuzz targets)

BUILD ?= build
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
MODULEDIR ?= $(PREFIX)/lib/prosody/modules
LUA_CDIR ?= $(PREFIX)/lib/lua/5.4
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
CFLAGS ?= -O2 -g
LUA := lua5.4
JOBS ?= $(shell nproc)
MAKEFLAGS += --no-builtin-rules --no-print-directory

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef -Wvla -Wformat=2 -Wswitch-enum $(if $(WERROR),-Werror)
FORTIFY := $(if $(findstring -fsanitize,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(FORTIFY) $(WARNINGS) $(CFLAGS) -fPIC -fvisibility=hidden -fstack-protector-strong
ALL_LDFLAGS = -Wl,-z,relro,-z,now $(CFLAGS) $(LDFLAGS)

say = $(if $(V),,@printf '  %-3s %s\n' $(1) $(2);)

# Asked for on first use: `make deps` and `make help` work before pkg-config is there.
ask = $(eval $(1) := $$(shell pkg-config $(2)))$($(1))
LUA_CFLAGS = $(call ask,LUA_CFLAGS,--cflags lua5.4)
LUA_LIBS = $(call ask,LUA_LIBS,--libs lua5.4)
SOFIA_CFLAGS = $(call ask,SOFIA_CFLAGS,--cflags sofia-sip-ua)
SOFIA_LIBS = $(call ask,SOFIA_LIBS,--libs sofia-sip-ua openssl)
SECCOMP_LIBS = $(call ask,SECCOMP_LIBS,--libs libseccomp)
OPENSSL_LIBS = $(call ask,OPENSSL_LIBS,--libs openssl)
XML_CFLAGS = $(call ask,XML_CFLAGS,--cflags libxml-2.0)
XML_LIBS = $(call ask,XML_LIBS,--libs libxml-2.0)

# The Lua binding; everything else of plugin/ is pure. sipbridge/ becomes one archive, of which each program takes what
# it refers to: core.so the client, the worker its main() and Sofia, the tests what they test.
LUA_SRCS := $(wildcard plugin/lua_*.c)
LG_SRCS := $(filter-out $(LUA_SRCS),$(wildcard plugin/*.c))
SB_SRCS := $(wildcard sipbridge/*.c)
TEST_SRCS := $(filter-out test/fake_%.c test/lua_%.c,$(wildcard test/*.c))
FUZZ_SRCS := $(wildcard fuzz/fuzz_*.c)
FUZZERS := $(FUZZ_SRCS:%.c=$(BUILD)/%)
# Partners and drivers of benchmarks, of chaos and of the wire specs at scale: programs, and what they share.
LOADS := $(patsubst %,$(BUILD)/bench/%_load,edge xmpp im worker_edge publish bare channel chaos_edge chaos_xmpp chaos_wire)
BENCH_SRCS := $(filter-out bench/bench.c bench/%load.c bench/%talk.c bench/%state.c,$(wildcard bench/*.c))
C_FILES := $(wildcard $(foreach d,plugin sipbridge test fuzz bench,$(d)/*.c $(d)/*.h))
LUA_FILES := $(wildcard lua/*.lua lua/*/*.lua spec/*.lua spec/*/*.lua bench/*.lua bench/*/*.lua conf.d/*.lua fuzz/*.lua)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE := $(BUILD)/lync_gateway/core.so
WORKER := $(BUILD)/lync_gateway/sipbridge-worker
TESTS := $(BUILD)/test/run $(BUILD)/test/run-lua $(BUILD)/test/fake-worker $(BUILD)/test/fake-kernel
LG_LIB := $(BUILD)/gateway.a
SB_LIB := $(BUILD)/sipbridge.a
PLUGIN_LIBS = $(if $(wildcard plugin/import.c),$(XML_LIBS)) $(if $(wildcard plugin/certificate.c),-lcrypto)
PURE_LIBS = $(PLUGIN_LIBS) $(if $(wildcard sipbridge/document*.c),$(XML_LIBS))

.PHONY: all deps check check-run check-unit check-spec check-asan check-valgrind lint fuzz fuzz-build fuzz-coverage bench bench-build \
	bench-scale soak chaos chaos-full \
	objects install uninstall demo clean help FORCE
.DELETE_ON_ERROR:

all: $(CORE) $(WORKER) $(TESTS) $(LOADS) $(FUZZERS) ## Build everything into BUILD (default: build/)

$(BUILD)/obj/plugin/lua_%.o $(BUILD)/obj/test/lua_%.o $(BUILD)/obj/fuzz/lua_%.o: SPECIAL = $(LUA_CFLAGS)
$(BUILD)/obj/plugin/import.o $(BUILD)/obj/test/oom.o $(call obj,$(wildcard sipbridge/document*.c)): SPECIAL = $(XML_CFLAGS)
$(BUILD)/obj/sipbridge/edge.o $(call obj,$(wildcard sipbridge/sofia_*.c fuzz/sofia_*.c) bench/bare_load.c): SPECIAL = $(SOFIA_CFLAGS)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) $(SPECIAL) -MMD -MP -c -o $@ $<

# Other flags, other objects.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' >$@

$(LG_LIB): $(call obj,$(LG_SRCS))
$(SB_LIB): $(call obj,$(SB_SRCS))
$(BUILD)/binding.a: $(call obj,$(LUA_SRCS))
$(LG_LIB) $(SB_LIB) $(BUILD)/binding.a:
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(CORE): $(call obj,$(LUA_SRCS)) $(LG_LIB) $(SB_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -shared $(ALL_LDFLAGS) -Wl,-z,nodelete -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(LG_LIB) $(SB_LIB) -Wl,--end-group $(PLUGIN_LIBS)
	@! nm -D --undefined-only $@ | grep -E ' (lg|sb|su|sip|nta|tport)_' || { echo '$@: refers to what it lacks'; rm $@; false; }

$(WORKER): $(SB_LIB) $(LG_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ -Wl,--start-group $^ -Wl,--end-group $(SOFIA_LIBS) $(PURE_LIBS) $(SECCOMP_LIBS) -lpthread

# What is tested, with an allocator that a test can make fail (test/oom.h).
$(BUILD)/test/%.a: $(BUILD)/%.a
	@mkdir -p $(@D)
	$(call say,OOM,$@)objcopy $(foreach f,malloc calloc realloc strdup vasprintf free,--redefine-sym $(f)=oom_$(f)) \
		--redefine-sym __vasprintf_chk=oom_vasprintf_chk $< $@

$(BUILD)/test/run: $(call obj,$(TEST_SRCS)) $(BUILD)/test/gateway.a $(BUILD)/test/sipbridge.a
$(BUILD)/test/run-lua: $(call obj,test/lua_memory.c test/main.c test/oom.c) $(BUILD)/test/binding.a \
	$(BUILD)/test/gateway.a $(BUILD)/test/sipbridge.a
$(BUILD)/test/run-lua: TEST_LIBS = $(LUA_LIBS)
$(BUILD)/test/fake-worker: $(BUILD)/obj/test/fake_worker.o $(LG_LIB) $(SB_LIB)
$(BUILD)/test/fake-kernel: $(BUILD)/obj/test/fake_kernel.o
$(TESTS):
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PURE_LIBS) $(SECCOMP_LIBS) $(TEST_LIBS)

deps: ## Install the Debian packages that building and testing need (DEPS="build test")
	@tools/deps $(or $(DEPS),build test)

# What the specs see: our modules before Prosody's.
export LG_BUILD := $(abspath $(BUILD))
SPEC_ENV = LUA_PATH='$(CURDIR)/?.lua;/usr/lib/prosody/?.lua;;' LUA_CPATH='$(LG_BUILD)/?.so;/usr/lib/prosody/?.so;;'
BUSTED = env $(SPEC_ENV) busted --lua=/usr/bin/$(LUA) -o gtest
RESULTS := $(BUILD)/results
RUN = tools/summary run $(RESULTS)

check: deps ## All tests, from nothing but a clone; the last line is `N passed, N failed`
	@$(MAKE) -j$(JOBS) all && $(MAKE) check-run

check-run:
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	-@$(RUN) tools-ccheck 60 tools/ccheck self-test
	-@$(RUN) tools-summary 60 tools/summary self-test
	-@$(RUN) unit 300 $(BUILD)/test/run
	-@$(RUN) unit-lua 120 $(BUILD)/test/run-lua
	-@$(RUN) fuzz 300 tools/fuzz replay $(BUILD)
	-@$(RUN) spec 1500 $(BUSTED) spec
	-@tools/summary again $(RESULTS) spec 300 $(BUSTED)
	@echo && tools/summary total $(RESULTS)

check-unit: $(TESTS) ## C tests alone (T="name name": those whose names begin so)
	$(BUILD)/test/run $(T:%=-t %)
	$(if $(T),,$(BUILD)/test/run-lua)

check-spec: all ## Specs alone (SPEC=spec/x_spec.lua: those files)
	$(BUSTED) $(or $(SPEC),spec)

ASAN := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
# With the sanitizer's library preloaded dnsmasq does not start.
ASAN_SPECS = $(filter-out spec/wire/check_spec.lua,$(shell grep -l lync_gateway.core -r spec --include=*_spec.lua))
check-asan: deps ## C tests, and specs that load core.so, with address and undefined-behaviour sanitizers
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-asan CFLAGS='$(ASAN)' all
	$(BUILD)-asan/test/run
	$(BUILD)-asan/test/run-lua
	tools/fuzz replay $(BUILD)-asan
	ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) \
		$(MAKE) BUILD=$(BUILD)-asan CFLAGS='$(ASAN)' SPEC='$(or $(SPEC),$(ASAN_SPECS))' check-spec

check-valgrind: deps ## C tests, and the worker in the demonstration and the wire specs (SPEC=), under valgrind
	@tools/deps valgrind
	@$(MAKE) -j$(JOBS) all
	valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite $(BUILD)/test/run
	tools/valgrind-worker $(BUILD) env $(SPEC_ENV) $(LUA) spec/demo/demo.lua
	tools/valgrind-worker $(BUILD) $(BUSTED) $(or $(SPEC),spec/wire/stanza_spec.lua spec/wire/im_spec.lua)

objects: $(call obj,$(filter %.c,$(C_FILES)))

lint: deps ## House rules, luacheck, shellcheck, gcc -fanalyzer, warnings as errors
	@tools/deps lint
	@! $(MAKE) -n help 2>&1 | grep -i warning
	@tools/ccheck $(C_FILES)
	luacheck -q $(LUA_FILES) tools/ccheck tools/summary bench/run
	shellcheck tools/deps tools/fuzz tools/fuzz-coverage tools/valgrind-worker .ci/run spec/chaos/run spec/chaos/small_disk.sh
	shellcheck -s bash completion/bash
	mandoc -T lint -W warning docs/$(MAN_PAGE)
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-lint WERROR=1 CFLAGS='-O2 -fanalyzer' objects

# Each fuzz/fuzz_*.c is a program: with libFuzzer it looks for inputs, with replay.c it goes through its corpus.
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_HELP := $(call obj,$(filter-out fuzz/fuzz_%.c fuzz/lua_%.c fuzz/sofia_%.c fuzz/replay.c,$(wildcard fuzz/*.c)))
FUZZ_MAIN = $(BUILD)/obj/fuzz/replay.o
fuzz: deps ## Each fuzz target (FUZZ="html sdp": those) for T seconds (60) with libFuzzer
	@tools/deps fuzz
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-fuzz CC=clang CFLAGS='$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link' FUZZ_MAIN=-fsanitize=fuzzer fuzz-build
	@tools/fuzz run $(BUILD)-fuzz $(or $(T),60) $(FUZZ)

fuzz-coverage: deps ## Lines of C that the fuzz targets' corpora run
	@tools/deps fuzz
	@$(MAKE) -j$(JOBS) BUILD=$(BUILD)-cov CC=clang CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping' fuzz-build
	@tools/fuzz-coverage $(BUILD)-cov $(LG_SRCS) $(SB_SRCS)

fuzz-build: $(FUZZERS)
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/obj/fuzz/%.o $(FUZZ_HELP) $(filter %.o,$(FUZZ_MAIN)) $(LG_LIB) $(SB_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) $(filter -%,$(FUZZ_MAIN)) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(LG_LIB) $(SB_LIB) -Wl,--end-group $(PURE_LIBS) $(FUZZ_LIBS) -lm
SIP_WRAPS := clock_gettime getrandom su_root_step nta_agent_create tport_has_tls tport_is_verified \
	tport_delivered_from_subjects sb_tls_captured sb_tls_load
$(BUILD)/fuzz/fuzz_sip: FUZZ_LIBS = $(SIP_WRAPS:%=-Wl,--wrap=%) $(SOFIA_LIBS) $(SECCOMP_LIBS) -lpthread
$(BUILD)/fuzz/fuzz_sip: $(call obj,$(wildcard fuzz/sofia_*.c))
$(BUILD)/fuzz/fuzz_import $(BUILD)/fuzz/fuzz_managed: FUZZ_LIBS = $(LUA_LIBS)
$(BUILD)/fuzz/fuzz_import $(BUILD)/fuzz/fuzz_managed: $(call obj,fuzz/lua_host.c $(LUA_SRCS))

$(BUILD)/bench/edge_load: $(call obj,bench/sip_load.c bench/edge_talk.c bench/edge_state.c bench/talk.c)
$(BUILD)/bench/xmpp_load: $(call obj,bench/stream_load.c bench/xml_load.c bench/xmpp_talk.c bench/talk.c)
$(BUILD)/bench/im_load: $(call obj,bench/stream_load.c bench/xml_load.c bench/sip_load.c bench/im_sip_load.c)
$(BUILD)/bench/worker_edge_load $(BUILD)/bench/publish_load: $(BUILD)/obj/bench/sip_load.o
$(BUILD)/bench/chaos_edge_load: $(call obj,bench/sip_load.c bench/chaos_load.c)
$(BUILD)/bench/chaos_xmpp_load: $(call obj,bench/xml_load.c bench/chaos_load.c)
$(BUILD)/bench/channel_load: $(SB_LIB) $(LG_LIB)
$(BUILD)/bench/bare_load: OPENSSL_LIBS = $(SOFIA_LIBS)
$(LOADS): $(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(BUILD)/obj/bench/load.o
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(OPENSSL_LIBS) -lm

# Each bench/*.c but those and bench.c is a program, and each bench/bench_*.lua.
bench: deps ## Measure; figures and the machine's facts go to bench/results.json
	@$(MAKE) -j$(JOBS) bench-build
	@env $(SPEC_ENV) CC='$(CC)' CFLAGS='$(CFLAGS)' bench/run bench/results.json $(BENCHES) $(wildcard bench/bench_*.lua)

# Presence with real servers: N=1000000 subscriptions each way take an hour; the figures without a number in their name are of those.
bench-scale: deps ## N (100000) presence subscriptions each way through real servers: memory, refreshes, restart
	@$(MAKE) -j$(JOBS) all
	@env $(SPEC_ENV) N=$(or $(N),100000) RATE=$(RATE) SLOW=$(SLOW) CC='$(CC)' CFLAGS='$(CFLAGS)' bench/run bench/results.json bench/scale.lua

# What stands at the end: nothing lost, nothing grown; a line a minute until then.
soak: deps ## An hour (T=3600 seconds) at the rate of 80,000 Lync users through real servers: losses, memory, descriptors
	@$(MAKE) -j$(JOBS) all
	@env $(SPEC_ENV) T=$(T) HOURS=$(HOURS) PAIRS=$(PAIRS) SPEED=$(SPEED) $(LUA) bench/soak.lua

# Faults out of SEED (printed when not given) while messages go both ways, then the balance; docs/chaos.md.
CHAOS = env $(SPEC_ENV) spec/chaos/run $(and $(SEED),SEED=$(SEED)) $(and $(RATE),RATE=$(RATE))
chaos: deps ## Ten minutes of faults under messages and presence, then the balance (SEED=, RATE=)
	@$(MAKE) -j$(JOBS) all
	@$(CHAOS) SECONDS=600

chaos-full: deps ## The same until a million messages are sent
	@$(MAKE) -j$(JOBS) all
	@$(CHAOS) MESSAGES=1000000

BENCHES := $(BENCH_SRCS:%.c=$(BUILD)/%)
bench-build: all $(BENCHES)
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(call obj,bench/bench.c test/value_rig.c) $(LG_LIB) $(SB_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PURE_LIBS)

demo: deps ## Gateway, XMPP partner and Access Edge stand-in on loopback, messages both ways (KEEP=1 leaves it running)
	@$(MAKE) -j$(JOBS) $(CORE) $(WORKER)
	@env $(SPEC_ENV) KEEP=$(KEEP) $(LUA) spec/demo/demo.lua

MODULES := $(wildcard lua/mod_lync_gateway/*.lua)
MAN_PAGE := prosody-mod-lync-gateway.8
DOCDIR ?= $(PREFIX)/share/doc/prosody-mod-lync-gateway
SAMPLE = $(SYSCONFDIR)/prosody/conf.avail/lync-gateway.cfg.lua
place = install -D -m $(1) $(2) $(DESTDIR)$(3).new && mv -f $(DESTDIR)$(3).new $(DESTDIR)$(3)
install: $(CORE) $(WORKER) ## Install where Debian's Prosody 0.12 finds it (DESTDIR, PREFIX)
	$(call place,644,lua/mod_lync_gateway.lua,$(MODULEDIR)/mod_lync_gateway/mod_lync_gateway.lua)
	@set -e; for f in $(notdir $(MODULES)); do \
		$(call place,644,lua/mod_lync_gateway/$$f,$(MODULEDIR)/mod_lync_gateway/$$f); done
	$(call place,755,$(CORE),$(LUA_CDIR)/lync_gateway/core.so)
	$(call place,755,$(WORKER),$(LUA_CDIR)/lync_gateway/sipbridge-worker)
	$(call place,644,docs/$(MAN_PAGE),$(MANDIR)/man8/$(MAN_PAGE))
	$(call place,644,completion/bash,$(COMPLETIONDIR)/prosodyctl)
	$(call place,644,conf.d/systemd/hardening.conf,$(DOCDIR)/hardening.conf)
	@[ -e $(DESTDIR)$(SAMPLE) ] || { $(call place,644,conf.d/lync-gateway.cfg.lua,$(SAMPLE)); }

uninstall: ## Remove what install placed, except the configuration
	rm -rf $(DESTDIR)$(MODULEDIR)/mod_lync_gateway $(DESTDIR)$(LUA_CDIR)/lync_gateway
	rm -rf $(DESTDIR)$(DOCDIR)
	rm -f $(DESTDIR)$(MANDIR)/man8/$(MAN_PAGE) $(DESTDIR)$(COMPLETIONDIR)/prosodyctl

clean: ## Remove all build directories
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-lint $(BUILD)-fuzz $(BUILD)-cov

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

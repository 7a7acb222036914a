# Other names for bin/…, which docs/testing.md and the README tell of.
.PHONY: up test bench fuzz

up:
	bin/up

test:
	bin/test

bench:
	bin/bench

fuzz: # of the API, 100,000 requests
	FUZZ_CASES=100000 bin/test tests/fuzz -n auto

# Other names for bin/…, which docs/testing.md and the README tell of.
.PHONY: up test faults bench fuzz

up:
	bin/up

test:
	bin/test

faults: # the large campaigns
	bin/test faults

bench:
	bin/bench

fuzz: # of the API, 100,000 requests
	FUZZ_CASES=100000 bin/test tests/fuzz -n auto

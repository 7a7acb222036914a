-- What wrk's scripts share: threads with a number each, and a line that bin/bench reads.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local refused = 0
  for _, thread in ipairs(threads) do
    failed = failed + (thread:get("unwanted") or 0)
    refused = refused + (thread:get("refused") or 0)
  end
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "failed": %d, "refused": %d, "p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, failed - refused, refused, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end

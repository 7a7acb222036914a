-- Fixes for wrk: each thread is fifty phones, each of which sends ten fixes a second of its time.
local PHONES = 50
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  run = arguments[1]
  sent = 0
end

function request()
  local phone = sent % PHONES
  local tenths = math.floor(sent / PHONES)
  sent = sent + 1
  local seconds = math.floor(tenths / 10)
  local body = string.format(
    '{"timestamp": "2024-07-%02d %02d:%02d:%02d.%d00", "lat": %.6f, "long": %.6f, "accuracy": 12.5, "speed": 1.25, "user_id": "%s-%d-%d"}',
    1 + math.floor(seconds / 86400), math.floor(seconds / 3600) % 24, math.floor(seconds / 60) % 60,
    seconds % 60, tenths % 10, 52.5 + phone * 0.01 + tenths * 1e-6, 13.4 + tenths * 1e-6,
    run, number, phone)
  return wrk.format("PUT", "/location", { ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end

-- Fixes for wrk: each thread is fifty phones, each of which sends ten fixes a second of its time.
dofile("tests/bench/telling.lua")

local PHONES = 50

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
